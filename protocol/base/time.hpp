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

/// Where the readings come from: platform/ has the host's clocks, tests turn
/// their own by hand.
class time_source {
public:
  virtual ~time_source() = default;
  time_source() = default;
  time_source(const time_source&) = delete;
  time_source& operator=(const time_source&) = delete;

  /// Each reads the clock anew.
  virtual time_point now() const = 0;
  virtual wall_time wall() const = 0;
  instant moment() const {
    return {now(), wall()};
  }
};

} // namespace weft
