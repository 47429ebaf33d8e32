// What weftd waits for while its node works.
#pragma once

#include "actors/overlay/start_overlay.hpp"
#include "platform/epoll.hpp"
#include "platform/file_watch.hpp"
#include "platform/leaving.hpp"
#include "platform/process.hpp"
#include "tools/weftd/guardian.hpp"

#include <spdlog/logger.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weft {

/// Waits for a signal to end, for the end of the overlay, or for a reason to
/// read the configuration again.
class supervisor {
public:
  static result<std::unique_ptr<supervisor>> create();

  void watch(const overlay_actor& actor);
  /// Has `reload` called when the file changes, too.
  result<void> watch_file(const std::string& file);
  /// Has `serve` called when somebody comes to take this node's place.
  result<void> watch_successors(int descriptor, std::function<bool()> serve);
  bool is_succeeded() const {
    return succeeded_;
  }

  /// The signal that asks to end, or none when the overlay ended by itself.
  caught_signal wait(const std::function<void(bool if_changed)>& reload);
  /// Another signal meanwhile ends the process at once.
  void wait_for_end(spdlog::logger& log);
  /// Waits until it has ended, or for another signal.
  void wait_for_end(const guardian& helper);
  /// How the overlay ended.
  bool failed() const {
    return failed_;
  }

private:
  supervisor(signal_watch signals, poller events)
    : signals_(std::move(signals)), events_(std::move(events)) {
  }

  /// SIGINT or SIGTERM if one is there; SIGHUP is kept in mind.
  caught_signal next_end_signal();
  /// Whether the file is to be read now; sets the time of the next look.
  bool is_time_to_reload();

  signal_watch signals_;
  poller events_;
  std::optional<file_watch> file_;
  std::string path_; ///< of it
  std::optional<time_point> reload_at_;
  int retries_ = 0; ///< since the file changed
  bool hang_up_ = false;
  std::function<bool()> serve_; ///< a successor
  int successors_ = -1;
  bool succeeded_ = false; ///< another process has this one's place
  std::atomic<bool> ended_{false};
  std::atomic<bool> failed_{false};
};

} // namespace weft
