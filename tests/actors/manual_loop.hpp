// A clock that a test turns, and a loop that runs actors on the test's thread:
// nothing happens but what the test lets happen, and no time passes.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "tests/actors/message_log.hpp"

#include <atomic>
#include <map>
#include <mutex>

namespace weft::test {

/// Any number of loops may go by it, on any thread.
class manual_clock final : public loop_clock {
public:
  time_point now() const override {
    return time_point{duration{since_boot_.load()}};
  }
  wall_time wall() const override {
    return wall_at_boot + now().time_since_epoch();
  }
  void wake_at(poller& events, std::optional<time_point> when) override {
    const std::lock_guard guard(mutex_);
    if (!when) {
      waiting_.erase(&events);
      return;
    }
    waiting_[&events] = *when;
    if (*when <= now())
      events.wake();
  }

  /// Loops with threads of their own wake by themselves.
  void set(time_point to) {
    const std::lock_guard guard(mutex_);
    since_boot_ = to.time_since_epoch().count();
    for (const auto& [events, when] : waiting_) {
      if (when <= to)
        events->wake();
    }
  }
  void advance(duration by) {
    set(now() + by);
  }

private:
  static constexpr wall_time wall_at_boot{std::chrono::seconds{1'700'000'000}};

  std::atomic<duration::rep> since_boot_{
    duration{std::chrono::hours{1}}.count()};
  std::mutex mutex_;
  std::map<poller*, time_point> waiting_;
};

/// Its thread is that which makes it.
class manual_loop final : public io_loop {
public:
  manual_loop(caf::actor_system& system, std::shared_ptr<manual_clock> clock)
    : io_loop(system, open_poller(), {clock}), clock_(std::move(clock)) {
    enter();
  }

  /// Runs until there is nothing to do at this time; false: there always is.
  bool settles() {
    for (int turns = 0; turns < 100'000; ++turns) {
      if (!turn(false))
        return true;
    }
    return false;
  }
  /// Lets time pass, from one deadline to the next.
  void advance(duration by) {
    const auto end = now() + by;
    settle();
    for (auto next = next_deadline(); next && *next <= end;
         next = next_deadline()) {
      clock_->set(std::max(now(), *next));
      settle();
    }
    clock_->set(end);
    settle();
  }
  /// For who waits for something: runs what there is to run, or waits for a
  /// moment for what other threads and the kernel do.
  void work() {
    if (turn(false))
      return;
    events().set_deadline(boot_now() + std::chrono::milliseconds{1});
    turn(true);
  }
  bool is_empty() const {
    return actors() == 0;
  }

private:
  static poller open_poller() {
    auto opened = poller::open();
    REQUIRE(opened);
    return std::move(*opened);
  }
  void settle() {
    if (!settles())
      FAIL("the loop does not come to rest");
  }

  std::shared_ptr<manual_clock> clock_;
};

} // namespace weft::test
