// Where the peers of a lane leave what cipher workers are to do.
#pragma once

#include "actors/loop/core_switch.hpp"
#include "config/device_status.hpp"
#include "messages/cipher_worker.hpp"
#include "protocol/base/time.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace weft {

/// Each worker has a few jobs at most, so that it has some left while the
/// lane's loop reads and writes.  Whoever finds no place does the job himself,
/// and who would have to wait does one of those that wait here.  Of the lane's
/// thread.
class cipher_desk {
public:
  static constexpr std::size_t jobs_a_worker = 4;
  /// Messages that a worker may have in its mailbox, also of jobs that others
  /// have done for it meanwhile.
  static constexpr std::size_t most_unread = 8;
  /// Who takes longer for a job gets no other one until it is done.
  static constexpr duration patience = std::chrono::milliseconds{20};
  /// Jobs that are done may yet be on their way to their peers.
  static constexpr std::size_t most_jobs = 64;
  static constexpr std::size_t most_workers = 16;
  /// Batches of a pool that are left for others by who waits for a job.
  static constexpr std::size_t left_for_others = 2;

  struct worker {
    cipher_worker_actor actor;
    shared_worker_state state;
  };

  explicit cipher_desk(std::vector<worker> workers);
  cipher_desk(const cipher_desk&) = delete;
  cipher_desk& operator=(const cipher_desk&) = delete;

  /// How long the threads of the lane and of the workers could have run and had
  /// no core, in all, since they started; nothing: nobody can tell.
  using waiting_probe = std::function<std::optional<duration>()>;

  /// From now on jobs are handed over only while a core is idle.  Once nobody
  /// can tell that, `otherwise` says whether they are, and nobody is asked
  /// again.
  void heed(waiting_probe waited, bool otherwise);
  /// To be called when there is traffic.
  void look_around(time_point now) {
    if (waited_ && switch_.is_due(now))
      look(now);
  }
  /// Whether jobs may be handed over just now, or all is done by the lane
  /// itself.
  void open(bool may_hand_over) {
    is_open_ = may_hand_over;
  }
  bool is_open() const {
    return is_open_;
  }
  /// A job to be filled and handed over; null: nobody has a place for it.
  cipher_job_ptr find_place(time_point now);
  /// What find_place() returned last.  `owner` is whoever is meant by
  /// call_off().
  void hand_over(const cipher_job_ptr& job, const void* owner, time_point now);
  /// Does the oldest job that nobody has begun; false: there is none.
  bool help();
  /// Has none of the jobs of `owner` begun any more, and takes their keys away.
  void call_off(const void* owner);
  /// Jobs that were handed over and have not ended.
  std::size_t under_way();
  /// For a report.
  core_use use() const;

private:
  struct handed_over {
    cipher_job_ptr job;
    std::size_t worker = 0;
    const void* owner = nullptr;
    time_point since{};
    std::weak_ptr<cipher_job> message{}; ///< expired: the worker has read it
  };

  void look(time_point now);
  /// Those that their workers have read, too.
  void forget_ended();
  /// The number of the worker that has the most room; workers_.size(): nobody
  /// has any.
  std::size_t choose_worker(time_point now) const;

  std::vector<worker> workers_;
  std::shared_ptr<cipher_job_pool> pool_;
  std::vector<handed_over> jobs_; ///< the oldest first
  std::size_t chosen_ = 0;
  bool is_open_ = true;
  core_switch switch_;
  waiting_probe waited_; ///< null: is_open_ stays as it is
  bool otherwise_ = true;
  std::uint64_t handed_over_ = 0; ///< jobs
  std::uint64_t without_place_ = 0;
  std::uint64_t without_core_ = 0;
};

} // namespace weft
