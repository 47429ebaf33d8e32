// What `wg show` reads.
#include "config/fields.hpp"
#include "config/uapi_codec.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstdlib>

namespace weft {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

/// What WireGuard calls the key of a row.
template <auto Member>
constexpr std::string_view key_of = row_of<Member>().uapi;

void begin_line(std::string& out, std::string_view key) {
  out += key;
  out += '=';
}

void append_line(std::string& out, std::string_view key,
                 std::string_view text) {
  begin_line(out, key);
  out += text;
  out += '\n';
}

void append_hex(std::string& out, std::string_view key,
                std::span<const std::byte, 32> bytes) {
  begin_line(out, key);
  append_secret(out, to_hex(bytes));
  out += '\n';
}

void append_number(std::string& out, std::string_view key,
                   std::uint64_t number) {
  append_line(out, key, std::to_string(number));
}

void format_peer(std::string& out, const peer_status& peer) {
  append_hex(out, key_of<&peer_config::public_key>, peer.public_key.bytes);
  append_hex(out, key_of<&peer_config::preshared_key>,
             peer.preshared_key.bytes());
  out += "protocol_version=1\n";
  if (peer.endpoint)
    append_line(out, key_of<&peer_config::endpoint>, to_string(*peer.endpoint));
  auto since_epoch = nanoseconds{0};
  if (peer.last_handshake)
    since_epoch
      = std::max(since_epoch, peer.last_handshake->time_since_epoch());
  const auto whole = std::chrono::floor<seconds>(since_epoch);
  const auto rest = since_epoch - whole;
  append_number(out, "last_handshake_time_sec",
                static_cast<std::uint64_t>(whole.count()));
  append_number(out, "last_handshake_time_nsec",
                static_cast<std::uint64_t>(rest.count()));
  append_number(out, "tx_bytes", peer.tx_bytes);
  append_number(out, "rx_bytes", peer.rx_bytes);
  append_number(out, key_of<&peer_config::persistent_keepalive>,
                static_cast<std::uint64_t>(peer.persistent_keepalive.count()));
  for (const auto& prefix : peer.allowed_ips)
    append_line(out, key_of<&peer_config::allowed_ips>, to_string(prefix));
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
    append_hex(out, key_of<&interface_config::private_key>,
               status.private_key.bytes());
  if (status.listen_port != 0)
    append_number(out, key_of<&interface_config::listen>, status.listen_port);
  if (status.fwmark != 0)
    append_number(out, key_of<&interface_config::fwmark>, status.fwmark);
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
