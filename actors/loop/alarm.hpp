// One deadline for whoever has several things to wait for.
#pragma once

#include "actors/loop/io_loop.hpp"

#include <functional>
#include <utility>

namespace weft {

/// Calls a function at the earliest of the times that it was asked for since
/// the last call.
class alarm_clock {
public:
  alarm_clock(io_loop& loop, std::function<void()> action)
    : loop_(loop), action_(std::move(action)) {
  }
  alarm_clock(const alarm_clock&) = delete;
  alarm_clock& operator=(const alarm_clock&) = delete;

  /// From the loop's thread, before it ends.
  void stop() {
    loop_.call_off(std::exchange(next_, {}));
  }

  void set(time_point when) {
    if (next_ && next_.when <= when)
      return;
    loop_.call_off(next_);
    next_ = loop_.call_at(when, [this] {
      next_ = {};
      action_();
    });
  }

private:
  io_loop& loop_;
  std::function<void()> action_;
  deadline_id next_;
};

} // namespace weft
