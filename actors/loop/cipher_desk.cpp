#include "actors/loop/cipher_desk.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace weft {

static_assert(cipher_desk::most_workers * cipher_desk::jobs_a_worker
              < cipher_desk::most_jobs);

cipher_desk::cipher_desk(std::vector<worker> workers)
  : workers_(std::move(workers)),
    pool_(std::make_shared<cipher_job_pool>(most_jobs)) {
  assert(workers_.size() <= most_workers);
}

cipher_job_ptr cipher_desk::find_place(time_point now) {
  if (!is_open_)
    return nullptr;
  forget_ended();
  chosen_ = choose_worker(now);
  return chosen_ < workers_.size() ? pool_->acquire() : nullptr;
}

void cipher_desk::hand_over(const cipher_job_ptr& job, const void* owner,
                            time_point now) {
  jobs_.push_back({job, chosen_, owner, now});
  job->hand_over();
  caf::anon_send(workers_[chosen_].actor, cipher_work::of(job));
}

bool cipher_desk::help() {
  forget_ended(); // whose peer may have ended, too
  for (const auto& handed : jobs_) {
    if (auto begun = handed.job->begin()) {
      begun->perform();
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
  forget_ended();
  return jobs_.size();
}

void cipher_desk::forget_ended() {
  std::erase_if(jobs_, [](const handed_over& handed) {
    return handed.job->has_ended();
  });
}

std::size_t cipher_desk::choose_worker(time_point now) const {
  std::array<std::size_t, most_workers> load{};
  for (const auto& handed : jobs_)
    load[handed.worker] += now - handed.since > patience ? jobs_a_worker : 1;
  auto best = workers_.size();
  auto least = jobs_a_worker;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (load[i] < least
        && workers_[i].state->load(std::memory_order_relaxed)
             == worker_state::ready) {
      best = i;
      least = load[i];
    }
  }
  return best;
}

} // namespace weft
