#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <string_view>

namespace weft {

namespace {

/// Escapes DEL and C1 (U+0080 to U+009F), which in JSON are within strings.
std::string escape_controls(std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(text.size() + 1);
  for (const char c : text) {
    auto byte = static_cast<unsigned char>(c);
    const bool is_c1 = byte >= 0x80 && byte < 0xA0 && out.ends_with('\xC2');
    if (is_c1)
      out.pop_back();
    if (is_c1 || byte == 0x7F) {
      out += "\\u00";
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + '\n';
}

std::string dump(const nlohmann::ordered_json& value, int indent) {
  using handler = nlohmann::ordered_json::error_handler_t;
  return escape_controls(value.dump(indent, ' ', false, handler::replace));
}

} // namespace

std::string to_text(const nlohmann::ordered_json& value) {
  return dump(value, 2);
}

std::string to_line(const nlohmann::ordered_json& value) {
  return dump(value, -1);
}

nlohmann::ordered_json null_if_empty(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
}

} // namespace weft
