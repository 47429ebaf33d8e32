// Whether a core is idle, so that work for another thread gains something.
#pragma once

#include "protocol/base/time.hpp"

#include <chrono>
#include <optional>

namespace weft {

/// Judged by how long the threads that carry packets have to wait for a core:
/// where others want it too, each job that is handed over waits twice.  A plain
/// class, for one thread.  It looks when there is traffic, so that an idle node
/// does nothing for it.
class core_switch {
public:
  /// From one look to the next.
  static constexpr duration window = std::chrono::milliseconds{10};
  /// Of the time; above it the threads share a core with somebody.
  static constexpr double limit = 0.1;
  /// What is left of the measure after a window without any waiting.
  static constexpr double decay = 0.8;

  /// Whether it is time for look().
  bool is_due(time_point now) const {
    return !last_ || now - last_->when >= window;
  }

  /// `waited` is the time that all of the threads together could have run and
  /// did not, since they started.
  void look(time_point now, duration waited);

  /// Whether work may be handed over until the next look.
  bool may_hand_over() const {
    return measure_ <= limit;
  }

private:
  struct reading {
    time_point when;
    duration waited;
  };
  std::optional<reading> last_;
  double measure_ = 0; ///< the share of the time that was waited
};

} // namespace weft
