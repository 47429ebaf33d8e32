// The actors of a loop that have messages.
#pragma once

#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

namespace weft {

/// What the loop's own thread adds costs neither a lock nor a wake-up.
class run_queue {
public:
  // -- from any thread but the loop's --

  /// Whether the loop waits, and is to be woken.
  bool push_from_outside(caf::resumable* job);

  // -- from the loop's thread --

  void push(caf::resumable* job) {
    jobs_.push_back(job);
  }
  /// Runs those that are there, a bounded number at a time.  Returns whether
  /// there were any.
  bool run(caf::execution_unit& loop);

  /// Whether nothing is left to run, so that the loop may wait.  Until
  /// has_waited(), whoever pushes a job learns that it does.
  bool may_wait();
  void has_waited() {
    waits_ = false;
  }

  bool is_empty();

private:
  void take_from_outside();
  void run_one(caf::resumable* job, caf::execution_unit& loop);

  std::deque<caf::resumable*> jobs_;
  std::vector<caf::resumable*> taken_;
  std::atomic<bool> waits_{false};
  std::mutex mutex_; ///< guards what follows
  std::vector<caf::resumable*> from_outside_;
};

} // namespace weft
