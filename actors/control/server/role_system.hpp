// The actor system of one role of remote control.  What a client breaks in
// CAF, it breaks here: the system shares neither threads nor actors with the
// one of the overlay, and can be abandoned.
#pragma once

#include "actors/control/server/facade.hpp"
#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <caf/all.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace weft {

/// Counts the systems that are being ended, each on a thread of its own.
class system_reaper {
public:
  /// Waits until all of them have ended, or the time is over.
  bool await_all(std::chrono::milliseconds at_most);

private:
  friend class role_system;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
  std::vector<std::shared_ptr<void>> kept_; ///< for want of a thread
};

class role_system {
public:
  /// A client's part of it.
  struct session {
    caf::actor broker;
    overlay_actor facade;
    file_descriptor connection; ///< what the client's frames go into
  };

  /// Requests go to `overlay`, which lives in another system.
  static result<std::unique_ptr<role_system>>
  start(overlay_actor overlay, std::shared_ptr<spdlog::logger> log,
        std::shared_ptr<const time_source> clock);

  /// Ends `system` without waiting for it: one that hangs never ends.
  static void retire(std::unique_ptr<role_system> system,
                     const std::shared_ptr<system_reaper>& reaper);

  /// Its node's id, as it is serialized.
  const std::string& node() const {
    return node_;
  }

  result<session> open(const control_caller& who);
  static void close(session& ended);

  /// Calls `alive` on the middleman's thread, by way of the scheduler: both of
  /// them still work then.
  void probe(std::function<void()> alive);

private:
  struct parts;
  role_system(overlay_actor overlay, std::shared_ptr<spdlog::logger> log,
              std::shared_ptr<const time_source> clock);

  std::shared_ptr<parts> parts_;
  overlay_actor overlay_;
  std::shared_ptr<facade_commons> commons_;
  caf::actor canary_;
  std::string node_;
};

} // namespace weft
