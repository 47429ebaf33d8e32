#include "actors/loop/core_switch.hpp"

#include <algorithm>
#include <cmath>

namespace weft {

namespace {

/// A look that comes later has no traffic behind it, and so no waiting.
constexpr auto longest_window = 10 * core_switch::window;

double windows_in(duration time) {
  return std::chrono::duration<double>{time}
         / std::chrono::duration<double>{core_switch::window};
}

} // namespace

void core_switch::look(time_point now, duration waited) {
  const auto before = last_;
  last_ = {now, waited};
  if (!before || now <= before->when)
    return;
  const auto passed = now - before->when;
  measure_ *= std::pow(decay, windows_in(passed));
  if (passed > longest_window)
    return;
  const auto more = std::chrono::duration<double>{waited - before->waited};
  measure_ = std::max(measure_, more / std::chrono::duration<double>{passed});
}

} // namespace weft
