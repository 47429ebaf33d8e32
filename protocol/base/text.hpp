// Text that comes from elsewhere: UTF-8, control characters, and the names
// that configurations and certificates have for hosts and interfaces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft {

/// Of ASCII.
constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter_or_digit(char c) {
  return is_letter(c) || is_digit(c);
}

/// Where the first byte is that is not UTF-8 (RFC 3629); npos: nowhere.
std::size_t find_invalid_utf8(std::string_view text);

/// C0, DEL or C1, in UTF-8 text.
bool has_control_characters(std::string_view text);

/// The text with `?` in the place of each control character.
std::string printable(std::string_view text);

/// Whether DNS could have it (RFC 1123 section 2.1), which no IP address is.
bool is_host_name(std::string_view name);

/// Whether a resolver can be asked for it: a host name, which may have
/// underscores and a dot at its end.
bool is_resolvable_name(std::string_view name);

/// The longest name of an interface: IFNAMSIZ is 16 with the zero at the end.
inline constexpr std::size_t longest_interface_name = 15;

/// Whether the kernel takes it: 1-15 printable characters of ASCII without
/// spaces, '/', ':' and '%', and neither "." nor "..".
bool is_interface_name(std::string_view name);

} // namespace weft
