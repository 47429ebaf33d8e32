#include "actors/loop/cipher_desk.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace weft {

static_assert(cipher_desk::most_workers * cipher_desk::jobs_a_worker
              <= cipher_desk::most_jobs);
static_assert(cipher_desk::most_unread >= cipher_desk::jobs_a_worker);

cipher_desk::cipher_desk(std::vector<worker> workers)
  : workers_(std::move(workers)),
    pool_(std::make_shared<cipher_job_pool>(most_jobs)) {
  assert(workers_.size() <= most_workers);
}

void cipher_desk::heed(waiting_probe waited, bool otherwise) {
  waited_ = std::move(waited);
  otherwise_ = otherwise;
}

void cipher_desk::look(time_point now) {
  if (const auto waited = waited_()) {
    switch_.look(now, *waited);
    open(switch_.may_hand_over());
  } else {
    waited_ = nullptr;
    open(otherwise_);
  }
}

cipher_job_ptr cipher_desk::find_place(time_point now) {
  if (!is_open_) {
    ++without_core_;
    return nullptr;
  }
  forget_ended();
  chosen_ = choose_worker(now);
  auto job = chosen_ < workers_.size() ? pool_->acquire() : nullptr;
  if (!job)
    ++without_place_;
  return job;
}

void cipher_desk::hand_over(const cipher_job_ptr& job, const void* owner,
                            time_point now) {
  ++handed_over_;
  job->hand_over();
  auto work = cipher_work::of(job);
  jobs_.push_back({job, chosen_, owner, now, work.job});
  caf::anon_send(workers_[chosen_].actor, std::move(work));
}

bool cipher_desk::help() {
  forget_ended(); // whose peer may have ended, too
  for (const auto& handed : jobs_) {
    if (auto begun = handed.job->begin()) {
      try {
        begun->perform();
      } catch (const std::exception&) {
        begun.reset(); // it has failed for its peer, not for who helps
      }
      return true;
    }
  }
  return false;
}

void cipher_desk::call_off(const void* owner) {
  for (const auto& handed : jobs_) {
    if (handed.owner != owner)
      continue;
    if (auto begun = handed.job->begin())
      begun->call_off();
  }
}

std::size_t cipher_desk::under_way() {
  return static_cast<std::size_t>(std::ranges::count_if(
    jobs_, [](const handed_over& handed) { return !handed.job->has_ended(); }));
}

core_use cipher_desk::use() const {
  core_use all;
  for (const auto& each : workers_) {
    const auto state = each.state->load(std::memory_order_relaxed);
    all.in_use += state == worker_state::ready ? 1U : 0U;
    all.failed += state == worker_state::ended ? 1U : 0U;
  }
  all.is_shared = is_open_ && all.in_use > 1;
  all.handed_over = handed_over_;
  all.without_place = without_place_;
  all.without_core = without_core_;
  return all;
}

void cipher_desk::forget_ended() {
  std::erase_if(jobs_, [](const handed_over& handed) {
    return handed.job->has_ended() && handed.message.expired();
  });
}

std::size_t cipher_desk::choose_worker(time_point now) const {
  std::array<std::size_t, most_workers> load{};
  std::array<std::size_t, most_workers> unread{};
  for (const auto& handed : jobs_) {
    if (!handed.job->has_ended())
      load[handed.worker] += now - handed.since > patience ? jobs_a_worker : 1;
    if (!handed.message.expired())
      ++unread[handed.worker];
  }
  auto best = workers_.size();
  auto least = jobs_a_worker;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (load[i] < least && unread[i] < most_unread
        && workers_[i].state->load(std::memory_order_relaxed)
             == worker_state::ready) {
      best = i;
      least = load[i];
    }
  }
  return best;
}

} // namespace weft
