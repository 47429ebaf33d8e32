#include "tools/weft/view/format.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace weft {

std::string format_age(std::chrono::seconds age) {
  struct unit {
    std::int64_t seconds;
    const char* name;
  };
  static constexpr std::array<unit, 4> units{
    {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}};
  const auto total = std::max<std::int64_t>(age.count(), 0);
  const auto* largest
    = std::find_if(units.begin(), units.end() - 1,
                   [total](const unit& u) { return total >= u.seconds; });
  auto text = std::to_string(total / largest->seconds) + largest->name;
  const auto* next = largest + 1;
  if (next == units.end() || total >= 100 * units.front().seconds)
    return text;
  const auto rest = total % largest->seconds / next->seconds;
  if (rest > 0)
    text += std::to_string(rest) + next->name;
  return text;
}

namespace {

constexpr std::array<const char*, 7> byte_units{"B",   "KiB", "MiB", "GiB",
                                                "TiB", "PiB", "EiB"};

/// A number of at most four columns, and its unit's place in byte_units.
std::pair<std::string, std::size_t> scale_bytes(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (unit + 1 < byte_units.size() && (bytes >> (10 * (unit + 1))) != 0)
    ++unit;
  auto whole = bytes >> (10 * unit);
  auto text = std::to_string(whole);
  if (unit > 0 && whole < 100) {
    // The ten bits below the unit are enough for two decimal places.
    const auto fraction = (bytes >> (10 * (unit - 1))) & 1023;
    const auto digits = whole < 10 ? 2U : 1U;
    auto decimals = std::to_string(fraction * (digits == 2 ? 100 : 10) / 1024);
    text += '.' + std::string(digits - decimals.size(), '0') + decimals;
  }
  return {text, unit};
}

/// The first `count` characters of UTF-8 text, and the last.
std::string_view first_of(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && display_width(text.substr(0, at + 1)) <= count)
    ++at;
  return text.substr(0, at);
}
std::string_view last_of(std::string_view text, std::size_t count) {
  std::size_t at = text.size();
  while (at > 0 && display_width(text.substr(at)) < count)
    --at;
  return text.substr(at);
}

} // namespace

std::string format_bytes(std::uint64_t bytes) {
  const auto [number, unit] = scale_bytes(bytes);
  return number + ' ' + byte_units.at(unit);
}

std::string format_short(std::uint64_t bytes) {
  const auto [number, unit] = scale_bytes(bytes);
  return unit == 0 ? number : number + byte_units.at(unit)[0];
}

std::string format_microseconds(std::uint64_t time) {
  constexpr std::uint64_t per_unit = 1000;
  if (time < per_unit)
    return std::to_string(time) + " us";
  const auto in_tenths = [](std::uint64_t thousandths) {
    constexpr std::uint64_t tenth = per_unit / 10;
    return std::to_string(thousandths / per_unit) + '.'
           + std::to_string(thousandths % per_unit / tenth);
  };
  if (time < per_unit * per_unit)
    return in_tenths(time) + " ms";
  return in_tenths(time / per_unit) + " s";
}

std::string format_count(std::size_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

std::size_t display_width(std::string_view text) {
  // Every character has one byte that is not a continuation (10xxxxxx).
  return static_cast<std::size_t>(
    std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

std::string shorten(std::string_view text, std::size_t width) {
  if (display_width(text) <= width)
    return std::string{text};
  const auto dots = std::min<std::size_t>(width, 2);
  return std::string{first_of(text, width - dots)} + std::string(dots, '.');
}

std::string shorten_middle(std::string_view text, std::size_t width) {
  if (display_width(text) <= width)
    return std::string{text};
  const auto dots = std::min<std::size_t>(width, 2);
  const auto rest = width - dots;
  return std::string{first_of(text, rest - rest / 2)} + std::string(dots, '.')
         + std::string{last_of(text, rest / 2)};
}

std::size_t
width_apart(const std::vector<std::string>& texts, std::size_t least) {
  const std::set<std::string_view> different(texts.begin(), texts.end());
  std::size_t widest = least;
  for (const auto text : different)
    widest = std::max(widest, display_width(text));
  for (auto width = least; width < widest; ++width) {
    std::set<std::string> shortened;
    for (const auto text : different)
      shortened.insert(shorten_middle(text, width));
    if (shortened.size() == different.size())
      return width;
  }
  return widest;
}

std::vector<std::string>
wrap_list(const std::vector<std::string>& items, std::size_t width) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto item = i + 1 < items.size() ? items[i] + ',' : items[i];
    if (!lines.empty()
        && display_width(lines.back()) + 1 + display_width(item) <= width)
      lines.back() += ' ' + item;
    else
      lines.push_back(item);
  }
  return lines;
}

std::vector<std::string> wrap_words(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    if (!lines.empty()
        && display_width(lines.back()) + 1 + display_width(word) <= width)
      lines.back().append(" ").append(word);
    else
      lines.emplace_back(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

} // namespace weft
