// What `wg show` reads: writing and reading answers.
#include "config/strings.hpp"
#include "config/uapi_codec.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <limits>

namespace weft {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

void append_hex(std::string& out, std::string_view key,
                std::span<const std::byte, 32> bytes) {
  out += key;
  strings::append_secret(out, to_hex(bytes));
  out += '\n';
}

void append_number(std::string& out, std::string_view key,
                   std::uint64_t number) {
  out += key;
  out += std::to_string(number);
  out += '\n';
}

/// Text that people chose.  It must not end its line: control characters are
/// left out.
void append_text(std::string& out, std::string_view key,
                 std::string_view text) {
  out += key;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
  });
  out += '\n';
}

/// What weft adds to a device.
void format_device_extension(std::string& out, const device_status& status) {
  if (!status.public_key.is_zero())
    append_hex(out, "weft_public_key=", status.public_key.bytes);
  append_number(out, "weft_mtu=", status.mtu);
  if (!status.remote_control.empty())
    append_text(out, "weft_remote_control=", status.remote_control);
  for (const auto& drop : status.drops)
    append_number(out, "weft_drop_" + drop.reason + "=", drop.packets);
}

/// What weft adds to a peer.
void format_peer_extension(std::string& out, const peer_status& peer) {
  if (!peer.name.empty())
    append_text(out, "weft_name=", peer.name);
  if (!peer.endpoint_host.empty())
    append_text(out, "weft_endpoint_host=", peer.endpoint_host);
  append_number(out, "weft_rx_packets=", peer.rx_packets);
  append_number(out, "weft_tx_packets=", peer.tx_packets);
  append_number(out, "weft_restarts=", peer.restarts);
}

void format_peer(std::string& out, const peer_status& peer, bool extended) {
  append_hex(out, "public_key=", peer.public_key.bytes);
  if (extended)
    format_peer_extension(out, peer);
  else
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

constexpr auto max_u64 = std::numeric_limits<std::uint64_t>::max();

/// Reads one line of an answer after the other.
class status_reader {
public:
  /// False if the line is malformed.
  bool read(std::string_view key, std::string_view value) {
    if (key == "public_key")
      return read_key(value, [&](const secret<key_size>& bytes) {
        status_.peers.emplace_back().public_key = to_public_key(bytes);
        whole_ = rest_ = nanoseconds{0};
      });
    return status_.peers.empty() ? read_device(key, value)
                                 : read_peer(key, value);
  }

  bool is_success() const {
    return success_;
  }
  device_status take() {
    return std::move(status_);
  }

private:
  template <class Store>
  static bool read_key(std::string_view value, Store store) {
    const auto key = from_hex(value);
    if (key)
      store(*key);
    return key.has_value();
  }

  template <class Store>
  static bool
  read_number(std::string_view value, std::uint64_t max, Store store) {
    const auto number = strings::parse_decimal(value, max);
    if (number)
      store(*number);
    return number.has_value();
  }

  static bool read_counter(std::string_view value, std::uint64_t& into) {
    return read_number(value, max_u64, [&](std::uint64_t n) { into = n; });
  }

  bool read_errno(std::string_view value) {
    success_ = value == "0";
    return success_;
  }

  bool read_device(std::string_view key, std::string_view value) {
    if (key == "private_key")
      return read_key(value, [&](const secret<key_size>& bytes) {
        status_.private_key = private_key{bytes};
        status_.public_key = derive_public_key(status_.private_key);
      });
    if (key == "listen_port")
      return read_number(value, 0xffff, [&](std::uint64_t number) {
        status_.listen_port = static_cast<std::uint16_t>(number);
      });
    if (key == "fwmark")
      return read_number(value, 0xffffffff, [&](std::uint64_t number) {
        status_.fwmark = static_cast<std::uint32_t>(number);
      });
    if (key.starts_with("weft_"))
      return read_device_extension(key, value);
    return key != "errno" || read_errno(value);
  }

  bool read_device_extension(std::string_view key, std::string_view value) {
    constexpr std::string_view drop = "weft_drop_";
    if (key == "weft_public_key")
      return read_key(value, [&](const secret<key_size>& bytes) {
        status_.public_key = to_public_key(bytes);
      });
    if (key == "weft_mtu")
      return read_number(value, 0xffff, [&](std::uint64_t number) {
        status_.mtu = static_cast<std::uint32_t>(number);
      });
    if (key == "weft_remote_control")
      status_.remote_control = value;
    if (key.starts_with(drop))
      return read_number(value, max_u64, [&](std::uint64_t number) {
        key.remove_prefix(drop.size());
        status_.drops.push_back({std::string{key}, number});
      });
    return true;
  }

  bool read_peer(std::string_view key, std::string_view value) {
    auto& peer = status_.peers.back();
    if (key.starts_with("weft_"))
      return read_peer_extension(peer, key, value);
    if (key == "preshared_key")
      return read_key(value, [&](const secret<key_size>& bytes) {
        peer.preshared_key = preshared_key{bytes};
      });
    if (key == "endpoint") {
      peer.endpoint = parse_endpoint(value);
      return peer.endpoint.has_value();
    }
    if (key == "allowed_ip") {
      const auto prefix = parse_ip_prefix(value);
      if (prefix)
        peer.allowed_ips.push_back(*prefix);
      return prefix.has_value();
    }
    if (key == "tx_bytes")
      return read_counter(value, peer.tx_bytes);
    if (key == "rx_bytes")
      return read_counter(value, peer.rx_bytes);
    if (key == "persistent_keepalive_interval")
      return read_number(value, 0xffff, [&](std::uint64_t n) {
        peer.persistent_keepalive = seconds{n};
      });
    return read_handshake_time(peer, key, value);
  }

  static bool read_peer_extension(peer_status& peer, std::string_view key,
                                  std::string_view value) {
    if (key == "weft_name")
      peer.name = value;
    if (key == "weft_endpoint_host")
      peer.endpoint_host = value;
    if (key == "weft_rx_packets")
      return read_counter(value, peer.rx_packets);
    if (key == "weft_tx_packets")
      return read_counter(value, peer.tx_packets);
    return key != "weft_restarts" || read_counter(value, peer.restarts);
  }

  bool read_handshake_time(peer_status& peer, std::string_view key,
                           std::string_view value) {
    // As many seconds as nanoseconds of 64 bits can tell.
    constexpr std::uint64_t last_second = 9'223'372'035;
    const bool is_seconds = key == "last_handshake_time_sec";
    if (!is_seconds && key != "last_handshake_time_nsec")
      return key != "errno" || read_errno(value);
    const auto max = is_seconds ? last_second : 999'999'999;
    return read_number(value, max, [&](std::uint64_t n) {
      (is_seconds ? whole_ : rest_)
        = is_seconds ? nanoseconds{seconds{n}} : nanoseconds{n};
      peer.last_handshake = std::nullopt;
      if (whole_ + rest_ != nanoseconds{0})
        peer.last_handshake = wall_time{whole_ + rest_};
    });
  }

  device_status status_;
  nanoseconds whole_{0}; ///< of the peer's last handshake: the seconds
  nanoseconds rest_{0};
  bool success_ = false;
};

} // namespace

std::string format_uapi_status(const device_status& status, bool extended) {
  std::string out;
  // Room for all, so that no copies of the keys are left behind by growing.
  std::size_t room = 256;
  for (const auto& peer : status.peers)
    room += 448 + 64 * peer.allowed_ips.size();
  out.reserve(room);
  if (!extended && !status.private_key.is_zero())
    append_hex(out, "private_key=", status.private_key.bytes());
  if (status.listen_port != 0)
    append_number(out, "listen_port=", status.listen_port);
  if (status.fwmark != 0)
    append_number(out, "fwmark=", status.fwmark);
  if (extended)
    format_device_extension(out, status);
  for (const auto& peer : status.peers)
    format_peer(out, peer, extended);
  out += format_uapi_errno(0);
  return out;
}

std::string format_uapi_errno(int code) {
  // `wg` takes what follows `errno=` for a negative errno, as wireguard-go
  // writes it; a positive one it reports as "Unknown error".
  return "errno=" + std::to_string(-std::abs(code)) + "\n\n";
}

std::optional<device_status> parse_uapi_status(std::string_view text) {
  status_reader reader;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    if (line.empty())
      break;
    const auto equals = line.find('=');
    if (equals == line.npos
        || !reader.read(line.substr(0, equals), line.substr(equals + 1)))
      return std::nullopt;
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  if (!reader.is_success())
    return std::nullopt;
  return reader.take();
}

} // namespace weft
