#include "protocol/base/text.hpp"

#include <algorithm>

namespace weft {

namespace {

unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
}

/// Length of the well-formed UTF-8 sequence at `i` (RFC 3629 section 4), or 0.
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto first = byte_at(text, i);
  const auto second = byte_at(text, i + 1);
  const auto is_tail
    = [&](std::size_t at) { return (byte_at(text, at) & 0xc0U) == 0x80U; };
  if (first < 0x80)
    return 1;
  if (first >= 0xc2 && first <= 0xdf)
    return is_tail(i + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0;
    const bool surrogate = first == 0xed && second > 0x9f;
    return !overlong && !surrogate && is_tail(i + 1) && is_tail(i + 2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && second < 0x90;
    const bool too_large = first == 0xf4 && second > 0x8f;
    return !overlong && !too_large && is_tail(i + 1) && is_tail(i + 2)
               && is_tail(i + 3)
             ? 4
             : 0;
  }
  return 0;
}

/// Bytes of the control character at `i`, or 0.  C1 is C2 80 to C2 9F.
std::size_t control_length(std::string_view text, std::size_t i) {
  const auto c = byte_at(text, i);
  if (c < 0x20 || c == 0x7f)
    return 1;
  const auto next = byte_at(text, i + 1);
  return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

bool is_host_label(std::string_view label, bool allow_underscore) {
  return !label.empty() && label.size() <= 63 && label.front() != '-'
         && label.back() != '-'
         && std::all_of(label.begin(), label.end(), [&](char c) {
              return is_letter_or_digit(c) || c == '-'
                     || (c == '_' && allow_underscore);
            });
}

/// Labels between dots.  A last one of digits only would be a mistyped IPv4
/// address.
bool has_host_labels(std::string_view name, bool allow_underscore) {
  if (name.empty() || name.size() > 253)
    return false;
  for (;;) {
    const auto dot = name.find('.');
    const auto label = name.substr(0, dot);
    if (!is_host_label(label, allow_underscore))
      return false;
    if (dot == std::string_view::npos)
      return !std::all_of(label.begin(), label.end(), is_digit);
    name.remove_prefix(dot + 1);
  }
}

} // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text, i);
    if (length == 0)
      return i;
    i += length;
  }
  return std::string_view::npos;
}

bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (control_length(text, i) > 0)
      return true;
  }
  return false;
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size();) {
    const auto length = control_length(text, i);
    shown += length > 0 ? '?' : text[i];
    i += std::max<std::size_t>(length, 1);
  }
  return shown;
}

bool is_host_name(std::string_view name) {
  return has_host_labels(name, false);
}

bool is_resolvable_name(std::string_view name) {
  if (name.ends_with('.'))
    name.remove_suffix(1);
  return has_host_labels(name, true);
}

bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_interface_name && name != "."
         && name != ".." && std::all_of(name.begin(), name.end(), [](char c) {
              return c > ' ' && c <= '~' && c != '/' && c != ':' && c != '%';
            });
}

} // namespace weft
