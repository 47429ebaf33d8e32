// What `wg show` reads.
#include "config/uapi_codec.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstdlib>

namespace weft {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

void append_hex(std::string& out, std::string_view key,
                std::span<const std::byte, 32> bytes) {
  out += key;
  append_secret(out, to_hex(bytes));
  out += '\n';
}

void append_number(std::string& out, std::string_view key,
                   std::uint64_t number) {
  out += key;
  out += std::to_string(number);
  out += '\n';
}

void format_peer(std::string& out, const peer_status& peer) {
  append_hex(out, "public_key=", peer.public_key.bytes);
  append_hex(out, "preshared_key=", peer.preshared_key.bytes());
  out += "protocol_version=1\n";
  if (peer.endpoint)
    out += "endpoint=" + to_string(*peer.endpoint) + "\n";
  auto since_epoch = nanoseconds{0};
  if (peer.last_handshake)
    since_epoch
      = std::max(since_epoch, peer.last_handshake->time_since_epoch());
  const auto whole = std::chrono::floor<seconds>(since_epoch);
  const auto rest = since_epoch - whole;
  append_number(
    out, "last_handshake_time_sec=", static_cast<std::uint64_t>(whole.count()));
  append_number(
    out, "last_handshake_time_nsec=", static_cast<std::uint64_t>(rest.count()));
  append_number(out, "tx_bytes=", peer.tx_bytes);
  append_number(out, "rx_bytes=", peer.rx_bytes);
  append_number(out, "persistent_keepalive_interval=",
                static_cast<std::uint64_t>(peer.persistent_keepalive.count()));
  for (const auto& prefix : peer.allowed_ips)
    out += "allowed_ip=" + to_string(prefix) + "\n";
}

} // namespace

std::string format_uapi_status(const device_status& status) {
  std::string out;
  // Room for all, so that no copies of the keys are left behind by growing.
  std::size_t room = 256;
  for (const auto& peer : status.peers)
    room += 448 + 64 * peer.allowed_ips.size();
  out.reserve(room);
  if (!status.private_key.is_zero())
    append_hex(out, "private_key=", status.private_key.bytes());
  if (status.listen_port != 0)
    append_number(out, "listen_port=", status.listen_port);
  if (status.fwmark != 0)
    append_number(out, "fwmark=", status.fwmark);
  for (const auto& peer : status.peers)
    format_peer(out, peer);
  out += format_uapi_errno(0);
  return out;
}

std::string format_uapi_errno(int code) {
  // `wg` takes what follows `errno=` for a negative errno, as wireguard-go
  // writes it; a positive one it reports as "Unknown error".
  return "errno=" + std::to_string(-std::abs(code)) + "\n\n";
}

} // namespace weft
