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

outcome read_peer_endpoint(std::string_view value,
                           std::optional<endpoint_config>& into) {
  if (auto numeric = parse_endpoint(value)) {
    // Nothing can be sent to port 0: wireguard-go takes it, and then sends
    // nothing.  It is no reason to refuse all that comes with it.
    if (numeric->port != 0)
      into = *numeric;
    return {};
  }
  // `wg` writes a link-local address with the name of its interface, which
  // only the system can turn into a number.
  auto read = read_endpoint(value);
  const auto* named = read ? std::get_if<host_endpoint>(&*read) : nullptr;
  if (named == nullptr || named->host.find('%') == std::string::npos)
    return invalid(strings::quote(value) + " is no address and port");
  into = std::move(*read);
  return {};
}

/// `remove` wins, wherever it stands.
outcome
read_verb(std::string_view value, peer_verb verb, patch<peer_config>& peer) {
  bool is_meant = false;
  auto read = read_flag(value, is_meant);
  if (read && peer.verb != peer_verb::remove)
    peer.verb = verb;
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
  patch<peer_config> rest;
  rest.public_key = peer.public_key;
  rest.verb = peer.verb;
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

/// A key of a peer that is a row of config/fields.hpp.
template <class Value>
outcome read_peer_row(const field<peer_config, Value>& row,
                      std::string_view value, device_update& update) {
  if constexpr (std::is_same_v<Value, public_key>) {
    return read_peer_key(update, value);
  } else if constexpr (std::is_same_v<Value, prefix_list>) {
    return read_allowed_ips(update, value);
  } else {
    Value read{};
    outcome done;
    if constexpr (is_secret_key<Value>) {
      std::optional<Value> key;
      done = read_secret(value, key);
      read = key.value_or(read);
    } else if constexpr (std::is_same_v<Value, std::chrono::seconds>) {
      std::optional<std::uint16_t> seconds;
      done = read_number(value, seconds);
      read = std::chrono::seconds{seconds.value_or(0)};
    } else if constexpr (std::is_same_v<Value,
                                        std::optional<endpoint_config>>) {
      done = read_peer_endpoint(value, read);
    } else {
      auto text = row.read(value);
      if (!text)
        return invalid(std::move(text.error()));
      read = std::move(*text);
    }
    if (done)
      update.peers.back().set(row.member, std::move(read));
    return done;
  }
}

constexpr std::array<known_key, 5> device_keys{{
  {row_of<&interface_config::private_key>().uapi, read_own_key},
  {row_of<&interface_config::listen>().uapi,
   [](device_update& update, std::string_view value) {
     return read_number(value, update.listen_port);
   }},
  {row_of<&interface_config::fwmark>().uapi,
   [](device_update& update, std::string_view value) {
     return read_number(value, update.fwmark);
   }},
  {"replace_peers",
   [](device_update& update, std::string_view value) {
     return read_flag(value, update.replace_peers);
   }},
  {row_of<&peer_config::public_key>().uapi, read_peer_key},
}};

/// What stands beside the rows.
constexpr std::array<known_key, 4> peer_verbs{{
  {"remove",
   [](device_update& update, std::string_view value) {
     return read_verb(value, peer_verb::remove, update.peers.back());
   }},
  {"update_only",
   [](device_update& update, std::string_view value) {
     return read_verb(value, peer_verb::update, update.peers.back());
   }},
  {"replace_allowed_ips", read_replacement},
  {"protocol_version",
   [](device_update&, std::string_view value) -> outcome {
     if (value != "1")
       return invalid(strings::quote(value) + " is no version; 1 is known");
     return {};
   }},
}};

std::span<const known_key> peer_keys() {
  static const auto all = [] {
    std::vector<known_key> keys(peer_verbs.begin(), peer_verbs.end());
    for_each_field<peer_config>([&](const auto& row, auto number) {
      if (!row.uapi.empty())
        keys.push_back(
          {row.uapi, [](device_update& update, std::string_view value) {
             return read_peer_row(
               std::get<decltype(number)::value>(peer_fields), value, update);
           }});
    });
    return keys;
  }();
  return all;
}

outcome read_line(device_update& update, std::string_view line) {
  const auto equals = line.find('=');
  if (equals == line.npos)
    return tl::unexpected{
      uapi_error{EPROTO, "a line is not of the form key=value"}};
  const auto key = line.substr(0, equals);
  const auto keys = update.peers.empty()
                      ? std::span<const known_key>{device_keys}
                      : peer_keys();
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
