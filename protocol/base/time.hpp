// Time as an argument.  Nothing in protocol/ reads a clock.
#pragma once

#include <chrono>

namespace weft {

/// The clock that deadlines are measured with: monotonic, and it goes on while
/// the host is suspended (CLOCK_BOOTTIME).  platform/ supplies its readings.
struct boot_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<boot_clock>;
  static constexpr bool is_steady = true;
};

using time_point = boot_clock::time_point;
using duration = boot_clock::duration;

/// Wall-clock time, for TAI64N timestamps and for what people read.
using wall_time = std::chrono::time_point<std::chrono::system_clock,
                                          std::chrono::nanoseconds>;

/// Both readings, taken at one moment.
struct instant {
  time_point now{};
  wall_time wall{};
};

} // namespace weft
