// Readings of the host's clocks.
#pragma once

#include "platform/epoll.hpp"
#include "protocol/base/time.hpp"

namespace weft {

/// CLOCK_BOOTTIME: goes on in suspend.
time_point boot_now();
wall_time wall_now();
inline instant instant_now() {
  return {boot_now(), wall_now()};
}

/// A clock that can end a wait.
class loop_clock : public time_source {
public:
  /// Has events.wait() end once now() has come to `when`, and no longer at what
  /// was asked for before; nothing: never.  From the thread that waits.
  virtual void wake_at(poller& events, std::optional<time_point> when) = 0;
};

/// The host's.
class host_clock final : public loop_clock {
public:
  time_point now() const override {
    return boot_now();
  }
  wall_time wall() const override {
    return wall_now();
  }
  void wake_at(poller& events, std::optional<time_point> when) override {
    events.set_deadline(when);
  }
};

} // namespace weft
