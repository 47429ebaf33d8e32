#include "protocol/network/time_text.hpp"

namespace weft {

std::string format_time(network_time when) {
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{when - day};
  const auto digits = [](auto number) {
    const auto text = std::to_string(number);
    return text.size() < 2 ? "0" + text : text;
  };
  return std::to_string(int{date.year()}) + '-' + digits(unsigned{date.month()})
         + '-' + digits(unsigned{date.day()}) + ' '
         + digits(time.hours().count()) + ':' + digits(time.minutes().count());
}

} // namespace weft
