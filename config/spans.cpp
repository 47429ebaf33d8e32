#include "config/spans.hpp"

#include "config/strings.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace weft {

std::optional<std::chrono::seconds>
parse_span(std::string_view text, std::chrono::seconds longest) {
  using namespace std::chrono_literals;
  constexpr std::array<std::pair<char, std::chrono::seconds>, 4> units{
    {{'s', 1s}, {'m', 1min}, {'h', 1h}, {'d', 24h}}};
  for (const auto& [letter, unit] : units) {
    if (!text.ends_with(letter))
      continue;
    text.remove_suffix(1);
    const auto count = strings::parse_decimal(
      text, static_cast<std::uint64_t>(longest.count() / unit.count()));
    if (!count)
      return std::nullopt;
    return static_cast<std::int64_t>(*count) * unit;
  }
  return std::nullopt;
}

} // namespace weft
