#include "actors/control/wire/hello.hpp"

#include "protocol/base/text.hpp"

#include <algorithm>

namespace weft {

namespace {

constexpr std::string_view client_magic = "weft-clt";
constexpr std::string_view server_magic = "weft-srv";
constexpr std::size_t head_size = 12; ///< magic and version
constexpr std::size_t interface_size = 16;

template <std::unsigned_integral T>
void append(std::string& to, T number) {
  std::array<std::byte, sizeof(T)> bytes{};
  store_be(bytes.data(), number);
  to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Cuts it short, and fills it up with zeros.
void append_padded(std::string& to, std::string_view text, std::size_t size) {
  to.append(text.substr(0, size));
  to.append(size - std::min(size, text.size()), '\0');
}

template <std::unsigned_integral T>
T take(std::string_view& from) {
  const auto bytes = std::as_bytes(std::span(from.substr(0, sizeof(T))));
  from.remove_prefix(sizeof(T));
  return load_be<T>(bytes.data());
}

/// The text before the first zero; nothing if it is not fit to be shown.
std::optional<std::string> take_text(std::string_view& from, std::size_t size) {
  auto text = from.substr(0, size);
  from.remove_prefix(size);
  text = text.substr(0, text.find('\0'));
  if (find_invalid_utf8(text) != std::string_view::npos
      || has_control_characters(text))
    return std::nullopt;
  return std::string{text};
}

/// The version, if the magic is right; the head is taken away.
std::optional<std::uint32_t>
take_head(std::string_view& bytes, std::string_view magic) {
  if (bytes.size() < head_size || !bytes.starts_with(magic))
    return std::nullopt;
  bytes.remove_prefix(magic.size());
  return take<std::uint32_t>(bytes);
}

} // namespace

std::string to_bytes(const client_hello& from) {
  std::string bytes{client_magic};
  append(bytes, from.version);
  append_padded(bytes, from.node, client_hello::node_size);
  append_padded(bytes, {}, client_hello::size - bytes.size());
  return bytes;
}

std::string to_bytes(const server_hello& from) {
  std::string bytes{server_magic};
  append(bytes, from.version);
  append(bytes, static_cast<std::uint8_t>(from.answer));
  append(bytes, static_cast<std::uint8_t>(from.role));
  append(bytes, from.code);
  append_padded(bytes, from.interface, interface_size);
  append_padded(bytes, from.text, server_hello::size - bytes.size());
  return bytes;
}

std::optional<client_hello> parse_client_hello(std::string_view bytes) {
  client_hello parsed;
  const auto version = take_head(bytes, client_magic);
  if (!version)
    return std::nullopt;
  parsed.version = *version;
  if (parsed.version == control_version)
    parsed.node = bytes.substr(0, client_hello::node_size);
  return parsed;
}

std::optional<server_hello> parse_server_hello(std::string_view bytes) {
  server_hello parsed;
  const auto version = take_head(bytes, server_magic);
  if (!version)
    return std::nullopt;
  parsed.version = *version;
  if (parsed.version != control_version)
    return parsed;
  const auto result = take<std::uint8_t>(bytes);
  const auto role = take<std::uint8_t>(bytes);
  parsed.code = take<std::uint16_t>(bytes);
  auto interface = take_text(bytes, interface_size);
  auto text = take_text(bytes, bytes.size());
  if (result > static_cast<std::uint8_t>(last_of(parsed.answer))
      || role > static_cast<std::uint8_t>(control_role::view)
      || !interface || !text)
    return std::nullopt;
  parsed.answer = static_cast<admission>(result);
  parsed.role = static_cast<control_role>(role);
  parsed.interface = std::move(*interface);
  parsed.text = std::move(*text);
  return parsed;
}

} // namespace weft
