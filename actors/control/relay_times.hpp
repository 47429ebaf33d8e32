// How long a control connection may stand still.
#pragma once

#include <chrono>
#include <cstddef>

namespace weft {

struct relay_times {
  /// A frame goes out when none did for so long.
  std::chrono::milliseconds heartbeat{1000};
  /// Without a byte for so long, the other end is taken for dead.
  std::chrono::milliseconds silence{5000};
  /// So long the other end may leave answers unread, or wait for answers that
  /// do not come before its next request is read.
  std::chrono::milliseconds stall{60'000};
  /// So long, and a second more for each `slowest` bytes, the other end may
  /// take for one frame, if frames are bounded.
  std::chrono::milliseconds frame{30'000};
  static constexpr std::size_t slowest = std::size_t{16} << 10;
};

} // namespace weft
