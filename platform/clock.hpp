// Readings of the clocks, and random numbers from the system.
#pragma once

#include "protocol/base/time.hpp"

namespace weft {

/// CLOCK_BOOTTIME: goes on in suspend.
time_point boot_now();
wall_time wall_now();
inline instant instant_now() {
  return {boot_now(), wall_now()};
}

} // namespace weft
