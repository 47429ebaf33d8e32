// Wall-clock time as files and other programs have it.
#pragma once

#include "protocol/base/time.hpp"

#include <chrono>
#include <cstdint>

namespace weft {

/// UNIX time, rounded down.
inline std::int64_t seconds_since_epoch(wall_time when) {
  return std::chrono::floor<std::chrono::seconds>(when.time_since_epoch())
    .count();
}

} // namespace weft
