// What `wg set` and its likes send.
#include "config/strings.hpp"
#include "config/uapi_codec.hpp"
#include "config/values.hpp"
#include "protocol/base/wipe.hpp"

#include <array>
#include <cerrno>
#include <limits>

namespace weft {

namespace {

using outcome = tl::expected<void, uapi_error>;

struct known_key {
  std::string_view name;
  outcome (*read)(device_update& update, std::string_view value);
};

tl::unexpected<uapi_error> invalid(std::string message) {
  return tl::unexpected{uapi_error{EINVAL, std::move(message)}};
}

template <class T>
outcome read_number(std::string_view value, std::optional<T>& into) {
  constexpr auto max = std::numeric_limits<T>::max();
  const auto number = strings::parse_decimal(value, max);
  if (!number)
    return invalid(strings::quote(value) + " is no number up to "
                   + std::to_string(max));
  into = static_cast<T>(*number);
  return {};
}

template <class Key>
outcome read_secret(std::string_view value, std::optional<Key>& into) {
  const auto bytes = from_hex(value);
  if (!bytes)
    return invalid("64 hexadecimal digits are expected");
  into.emplace(*bytes);
  return {};
}

outcome read_flag(std::string_view value, bool& into) {
  if (value != "true")
    return invalid(strings::quote(value) + " is not 'true'");
  into = true;
  return {};
}

outcome read_own_key(device_update& update, std::string_view value) {
  auto read = read_secret(value, update.private_key);
  if (read && !update.private_key->is_zero())
    clamp(*update.private_key);
  return read;
}

outcome read_peer_key(device_update& update, std::string_view value) {
  std::optional<secret<key_size>> key;
  if (auto read = read_secret(value, key); !read)
    return read;
  if (key->is_zero())
    return invalid("a key of zeros belongs to nobody");
  update.peers.emplace_back().public_key = to_public_key(*key);
  return {};
}

outcome read_peer_endpoint(device_update& update, std::string_view value) {
  if (auto numeric = parse_endpoint(value)) {
    update.peers.back().endpoint = *numeric;
    return {};
  }
  // `wg` writes a link-local address with the name of its interface, which
  // only the system can turn into a number.
  auto read = read_endpoint(value);
  const auto* named = read ? std::get_if<host_endpoint>(&*read) : nullptr;
  if (named == nullptr || named->host.find('%') == std::string::npos)
    return invalid(strings::quote(value) + " is no address and port");
  update.peers.back().endpoint = std::move(*read);
  return {};
}

outcome read_keepalive_seconds(device_update& update, std::string_view value) {
  std::optional<std::uint16_t> seconds;
  auto read = read_number(value, seconds);
  if (read)
    update.peers.back().persistent_keepalive = std::chrono::seconds{*seconds};
  return read;
}

/// Whatever precedes this line in the section comes before the replacement.
outcome read_replacement(device_update& update, std::string_view value) {
  bool replace = false;
  if (auto read = read_flag(value, replace); !read)
    return read;
  auto& peer = update.peers.back();
  if (peer.allowed_ips.empty()) {
    peer.replace_allowed_ips = true;
    return {};
  }
  peer_update rest;
  rest.public_key = peer.public_key;
  rest.remove = peer.remove;
  rest.update_only = peer.update_only;
  rest.replace_allowed_ips = true;
  update.peers.push_back(std::move(rest));
  return {};
}

/// `10.0.0.0/8`, `-10.0.0.0/8`, or several with commas between.
outcome read_allowed_ips(device_update& update, std::string_view value) {
  auto& changes = update.peers.back().allowed_ips;
  const auto parts = strings::split_commas(value);
  for (auto part : parts) {
    allowed_ip_change change;
    change.remove = part.starts_with('-');
    if (change.remove)
      part.remove_prefix(1);
    const auto prefix = parse_ip_prefix(part);
    if (!prefix)
      return invalid(strings::quote(part) + " is no IP prefix");
    change.prefix = prefix->network();
    changes.push_back(change);
  }
  if (parts.empty())
    return invalid("an IP prefix is expected");
  return {};
}

constexpr std::array<known_key, 5> device_keys{{
  {"private_key", read_own_key},
  {"listen_port",
   [](device_update& update, std::string_view value) {
     return read_number(value, update.listen_port);
   }},
  {"fwmark",
   [](device_update& update, std::string_view value) {
     return read_number(value, update.fwmark);
   }},
  {"replace_peers",
   [](device_update& update, std::string_view value) {
     return read_flag(value, update.replace_peers);
   }},
  {"public_key", read_peer_key},
}};

constexpr std::array<known_key, 9> peer_keys{{
  {"public_key", read_peer_key},
  {"remove",
   [](device_update& update, std::string_view value) {
     return read_flag(value, update.peers.back().remove);
   }},
  {"update_only",
   [](device_update& update, std::string_view value) {
     return read_flag(value, update.peers.back().update_only);
   }},
  {"preshared_key",
   [](device_update& update, std::string_view value) {
     return read_secret(value, update.peers.back().preshared_key);
   }},
  {"endpoint", read_peer_endpoint},
  {"persistent_keepalive_interval", read_keepalive_seconds},
  {"replace_allowed_ips", read_replacement},
  {"allowed_ip", read_allowed_ips},
  {"protocol_version",
   [](device_update&, std::string_view value) -> outcome {
     if (value != "1")
       return invalid(strings::quote(value) + " is no version; 1 is known");
     return {};
   }},
}};

outcome read_line(device_update& update, std::string_view line) {
  const auto equals = line.find('=');
  if (equals == line.npos)
    return tl::unexpected{
      uapi_error{EPROTO, "a line is not of the form key=value"}};
  const auto key = line.substr(0, equals);
  const auto keys = update.peers.empty()
                      ? std::span<const known_key>{device_keys}
                      : std::span<const known_key>{peer_keys};
  for (const auto& known : keys) {
    if (known.name != key)
      continue;
    auto read = known.read(update, line.substr(equals + 1));
    if (!read)
      read.error().message = std::string{key} + ": " + read.error().message;
    return read;
  }
  return invalid(strings::quote(key)
                 + (update.peers.empty() ? " is no key of a device"
                                         : " is no key of a peer"));
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

} // namespace

uapi_reader::~uapi_reader() {
  wipe_text(buffer_);
}

bool uapi_reader::add(std::string_view bytes) {
  if (too_long_ || bytes.size() > max_request - (buffer_.size() - begin_)) {
    too_long_ = true;
    return false;
  }
  if (buffer_.size() + bytes.size() > buffer_.capacity()) {
    std::string larger;
    larger.reserve(2 * (buffer_.size() - begin_) + bytes.size());
    larger.append(buffer_, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    buffer_.swap(larger);
    wipe_text(larger);
  }
  buffer_ += bytes;
  return true;
}

std::optional<tl::expected<uapi_request, uapi_error>> uapi_reader::next() {
  // The empty line that ends a request may be its first.
  const bool is_empty = begin_ < buffer_.size() && buffer_[begin_] == '\n';
  const auto end = is_empty ? begin_ : buffer_.find("\n\n", scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size() > begin_ ? buffer_.size() - 1 : begin_;
    return std::nullopt;
  }
  const auto length = end - begin_;
  auto request
    = parse_uapi_request(std::string_view{buffer_}.substr(begin_, length));
  begin_ = end + (length == 0 ? 1 : 2);
  scanned_ = begin_;
  if (begin_ == buffer_.size()) {
    wipe_text(buffer_);
    begin_ = 0;
    scanned_ = 0;
  }
  return request;
}

std::optional<tl::expected<uapi_request, uapi_error>> uapi_reader::last() {
  if (too_long_ || begin_ == buffer_.size())
    return std::nullopt;
  if (buffer_.back() == '\n') {
    add("\n");
    return next();
  }
  wipe_text(buffer_);
  buffer_.clear();
  begin_ = scanned_ = 0;
  return invalid("the connection ended in the middle of a line");
}

tl::expected<uapi_request, uapi_error>
parse_uapi_request(std::string_view text) {
  const auto operation = take_line(text);
  if (operation == "get=1") {
    if (!text.empty())
      return invalid("get=1 takes no keys");
    return uapi_get{};
  }
  if (operation != "set=1")
    return invalid(strings::quote(operation)
                   + " is no operation; get=1 or set=1 is expected");
  device_update update;
  while (!text.empty())
    if (auto read = read_line(update, take_line(text)); !read)
      return tl::unexpected{read.error()};
  return update;
}

} // namespace weft
