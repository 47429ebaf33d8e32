// Text for people: ages, amounts, and lists that fit a line.
#pragma once

#include "protocol/base/text.hpp" // IWYU pragma: export: printable()

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// An age in its two largest units: `34s`, `1m4s`, `2h3m`, `5d4h`, and from a
/// hundred days on `400d`.  Units that are zero are left out, except in `0s`.
std::string format_age(std::chrono::seconds age);

/// An amount of data in at most eight columns, rounded down: `0 B`, `1023 B`,
/// `1.00 KiB`, `12.3 MiB`, `1023 GiB`.
std::string format_bytes(std::uint64_t bytes);

/// The same in at most five columns: `0`, `1023`, `1.00K`, `12.3M`, `1023G`.
std::string format_short(std::uint64_t bytes);

/// A short time: `350 us`, `12.3 ms`, `1.2 s`.
std::string format_microseconds(std::uint64_t time);

/// `1 peer`, `2 peers`
std::string format_count(std::size_t count, const std::string& noun);

/// The columns that UTF-8 text takes on a terminal, one for each character.
std::size_t display_width(std::string_view text);

/// The text in at most `width` columns: the end is replaced by two dots where
/// it is longer.
std::string shorten(std::string_view text, std::size_t width);

/// The same with the dots in the middle, so that both ends can be read.
std::string shorten_middle(std::string_view text, std::size_t width);

/// The least width from `least` on at which shorten_middle() makes no two
/// different texts the same.
std::size_t
width_apart(const std::vector<std::string>& texts, std::size_t least);

/// `items` separated by commas, in lines of at most `width` columns.  An item
/// that is wider than that has a line of its own.
std::vector<std::string>
wrap_list(const std::vector<std::string>& items, std::size_t width);

/// The words of `text` in lines of at most `width` columns, but for a word that
/// alone is wider.  Nothing is lost but blanks at the ends of lines.
std::vector<std::string> wrap_words(std::string_view text, std::size_t width);

} // namespace weft
