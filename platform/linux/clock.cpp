#include "platform/clock.hpp"

#include <ctime>

namespace weft {

namespace {

std::chrono::nanoseconds read_clock(clockid_t which) {
  timespec reading{};
  ::clock_gettime(which, &reading);
  return std::chrono::seconds{reading.tv_sec}
         + std::chrono::nanoseconds{reading.tv_nsec};
}

} // namespace

time_point boot_now() {
  return time_point{read_clock(CLOCK_BOOTTIME)};
}

wall_time wall_now() {
  return wall_time{read_clock(CLOCK_REALTIME)};
}

} // namespace weft
