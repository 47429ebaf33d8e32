#include "actors/loop/run_queue.hpp"

#include <caf/intrusive_ptr.hpp>

namespace weft {

namespace {

/// Messages that one actor may handle before others have their turn.
constexpr std::size_t max_throughput = 32;

/// Actors that may run before descriptors are looked at again.
constexpr std::size_t max_jobs = 256;

} // namespace

bool run_queue::push_from_outside(caf::resumable* job) {
  {
    const std::lock_guard guard(mutex_);
    from_outside_.push_back(job);
  }
  return waits_.exchange(false);
}

void run_queue::take_from_outside() {
  taken_.clear();
  {
    const std::lock_guard guard(mutex_);
    taken_.swap(from_outside_);
  }
  jobs_.insert(jobs_.end(), taken_.begin(), taken_.end());
}

void run_queue::run_one(caf::resumable* job, caf::execution_unit& loop) {
  switch (job->resume(&loop, max_throughput)) {
    case caf::resumable::resume_later:
      jobs_.push_back(job);
      break;
    case caf::resumable::shutdown_execution_unit:
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
      intrusive_ptr_release(job);
      break;
  }
}

bool run_queue::run(caf::execution_unit& loop) {
  take_from_outside();
  if (jobs_.empty())
    return false;
  for (std::size_t i = 0; i < max_jobs && !jobs_.empty(); ++i) {
    auto* job = jobs_.front();
    jobs_.pop_front();
    run_one(job, loop);
  }
  return true;
}

bool run_queue::may_wait() {
  if (!jobs_.empty())
    return false;
  waits_ = true;
  const std::lock_guard guard(mutex_);
  return from_outside_.empty();
}

bool run_queue::is_empty() {
  if (!jobs_.empty())
    return false;
  const std::lock_guard guard(mutex_);
  return from_outside_.empty();
}

} // namespace weft
