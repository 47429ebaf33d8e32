// The cipher worker: what it is told.
#pragma once

#include "messages/cipher_job.hpp"

#include <atomic>
#include <memory>

namespace weft {

/// cipher_desk -> cipher_worker: a job, unless somebody else has begun it.
struct cipher_work {
  std::shared_ptr<cipher_job> job;

  /// Should nobody read the message, its peer gets the job back.
  static cipher_work of(const cipher_job_ptr& job) {
    return {{job.get(), [shared = job](cipher_job* unread) {
               if (auto begun = unread->begin())
                 begun->give_back();
             }}};
  }
};

/// How a worker is, for whoever gives it jobs.
enum class worker_state : std::uint8_t { starting, ready, ended };
using shared_worker_state = std::shared_ptr<std::atomic<worker_state>>;

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::cipher_work)

namespace weft {

/// Seals and opens on a loop of its own.
using cipher_worker_actor = caf::typed_actor<caf::reacts_to<cipher_work>>;

} // namespace weft
