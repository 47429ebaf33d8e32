// JSON for programs, safe to be shown on a terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace weft {

/// The text of `value`, indented by two, or in one line; a line end follows.
/// Bytes that are no UTF-8 are replaced, and control characters are escaped,
/// also those that JSON would allow.
std::string to_text(const nlohmann::ordered_json& value);
std::string to_line(const nlohmann::ordered_json& value);

/// The text, or null if it is empty.
nlohmann::ordered_json null_if_empty(const std::string& text);

} // namespace weft
