// Values of configurations as YAML reads them again.
#pragma once

#include "config/fields.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// In double quotes (YAML 1.2 section 7.3.1).
inline std::string yaml_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '"';
}

inline std::string yaml_list(const std::vector<ip_prefix>& prefixes) {
  std::string out;
  for (const auto& prefix : prefixes)
    out += (out.empty() ? "[" : ", ") + yaml_quoted(to_string(prefix));
  return out.empty() ? "[]" : out + "]";
}

inline std::string yaml_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts)
    out += (out.empty() ? "[" : ", ") + yaml_quoted(text);
  return out.empty() ? "[]" : out + "]";
}

/// Whether it needs no quotation marks.
template <class Value>
inline constexpr bool is_plain_in_yaml
  = std::is_same_v<
      Value,
      bool> || std::is_enum_v<Value> || std::is_same_v<Value, public_key> || std::is_same_v<Value, std::uint32_t> || std::is_same_v<Value, std::chrono::seconds>;

/// A value that is no secret, in one line.
template <class Section, class Value>
std::string yaml_value(const field<Section, Value>& row, const Value& value) {
  if constexpr (is_list<Value>)
    return yaml_list(value);
  else if constexpr (is_plain_in_yaml<Value>)
    return row.print(value) + std::string{row.unit};
  else
    return yaml_quoted(row.print(value));
}

} // namespace weft
