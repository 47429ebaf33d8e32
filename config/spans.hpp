// Spans of time as options and files have them.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace weft {

/// `90s`, `15m`, `12h` or `7d`, at most `longest`.
std::optional<std::chrono::seconds>
parse_span(std::string_view text, std::chrono::seconds longest);

} // namespace weft
