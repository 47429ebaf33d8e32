// Small text helpers that the readers of configuration share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::strings {

/// Without the spaces, tabs and line ends at both sides.
std::string_view trim(std::string_view text);

/// The parts between commas, trimmed.  An empty text has no parts.
std::vector<std::string_view> split_commas(std::string_view text);

/// Compares ASCII letters without regard to case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// A decimal number of digits only, at most `max`.
std::optional<std::uint64_t>
parse_decimal(std::string_view text, std::uint64_t max);

/// 1-32 ASCII letters, digits, '_', '-' and '.'.
bool is_short_word(std::string_view text);

/// `text` in single quotes for a message: cut at 64 bytes, without control
/// characters, and hidden altogether if it might be a key in the wrong place.
std::string quote(std::string_view text);

/// The candidate with the smallest edit distance to `word`, if it is near
/// enough to be meant.
std::optional<std::string_view>
nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `did you mean 'x'?`, or a list of what is known.
std::string
suggestion(std::string_view word, std::span<const std::string_view> candidates);

} // namespace weft::strings
