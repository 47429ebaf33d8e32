// Whether a loop has as much to do as one core can.
#pragma once

#include "protocol/base/time.hpp"

#include <chrono>
#include <optional>

namespace weft {

/// Judged by the processor time of its thread.  A plain class, for one thread.
/// It looks when there is traffic, so that an idle node does nothing for it.
class loop_load {
public:
  /// From one look to the next, at least.
  static constexpr duration window = std::chrono::milliseconds{50};
  /// Of the time; a loop that works as much is at its end.
  static constexpr double high = 0.9;
  /// Of the time; if it and those that relieve it take less, it can do all of
  /// it alone.
  static constexpr double low = 0.5;
  /// Windows in a row above `high`, until it is to be relieved, ...
  static constexpr unsigned to_begin = 4;
  /// ... and below `low`, until it is not any more.
  static constexpr unsigned to_end = 40;

  bool is_due(time_point now) const {
    return !last_ || now - last_->when >= window;
  }

  /// The processor time that the loop has used since it began, and all who
  /// relieve it together.
  void look(time_point now, duration loop, duration others);

  bool wants_relief() const {
    return wants_relief_;
  }

private:
  struct reading {
    time_point when;
    duration loop;
    duration others;
  };
  std::optional<reading> last_;
  unsigned in_a_row_ = 0; ///< windows that are for a change
  bool wants_relief_ = false;
};

} // namespace weft
