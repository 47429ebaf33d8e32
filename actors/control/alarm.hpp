// The one deadline of a loop, for whoever has several things to wait for.
#pragma once

#include "actors/loop/io_loop.hpp"

#include <functional>
#include <optional>

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
    when_.reset();
    loop_.set_deadline(std::nullopt, nullptr);
  }

  void set(time_point when) {
    if (when_ && *when_ <= when)
      return;
    when_ = when;
    loop_.set_deadline(when, [this] {
      when_.reset();
      action_();
    });
  }

private:
  io_loop& loop_;
  std::function<void()> action_;
  std::optional<time_point> when_;
};

} // namespace weft
