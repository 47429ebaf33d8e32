// Work that may block, on threads of its own that nothing waits for: what hangs
// holds up neither a loop nor the end of the actor system.
#pragma once

#include "platform/thread.hpp"

#include <caf/all.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace weft {

/// Belongs to the actor that gets the results.  After close(), or the end of
/// this object, nobody hears of what is still being worked on.
class off_loop {
public:
  off_loop() = default;
  off_loop(const off_loop&) = delete;
  off_loop& operator=(const off_loop&) = delete;
  ~off_loop() {
    close();
  }

  void close() {
    const std::lock_guard guard(permission_->mutex);
    permission_->open = false;
  }

  /// Calls `work` on a new thread, and sends what it returns to `receiver`.
  /// Throws std::system_error when there can be no more threads.
  template <class Handle, class Work>
  void run(std::string thread_name, const Handle& receiver, Work work) {
    std::thread([name = std::move(thread_name), permission = permission_,
                 weak = caf::actor_cast<caf::weak_actor_ptr>(receiver),
                 work = std::move(work)]() mutable {
      enter_service_thread(name);
      auto result = work();
      // Let go of only after the mutex: the last reference ends the actor, and
      // that takes the permission away.
      caf::strong_actor_ptr strong;
      const std::lock_guard guard(permission->mutex);
      if (!permission->open)
        return;
      strong = weak.lock();
      if (strong)
        caf::anon_send(caf::actor_cast<Handle>(strong), std::move(result));
    }).detach();
  }

private:
  /// Lets a thread speak to the actor only while that lives.
  struct permission {
    std::mutex mutex;
    bool open = true;
  };

  std::shared_ptr<permission> permission_ = std::make_shared<permission>();
};

} // namespace weft
