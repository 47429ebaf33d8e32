// The keeper of what outlives the process: where peers are, and the newest
// stamps of handshakes.  It writes at most once a minute, on a thread.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/loop/off_loop.hpp"
#include "actors/overlay/start_overlay.hpp"
#include "messages/state_keeper.hpp"

namespace weft {

class state_keeper : public hosted<state_keeper_actor::base> {
public:
  /// What is new waits this long for more of its kind.
  static constexpr std::chrono::seconds settling{1};
  static constexpr std::chrono::seconds between_writes{60};

  /// `state.write` is there.
  state_keeper(caf::actor_config& config, io_loop_ptr loop, state_options state,
               std::shared_ptr<spdlog::logger> log);

  behavior_type make_behavior() override;
  /// Leaves behind what is still to be written.
  void on_exit() override;

private:
  void note(const peer_noted& noted);
  void schedule();
  caf::result<void> keep();
  void write();
  void written(const std::string& failure);

  state_options state_;
  std::shared_ptr<spdlog::logger> log_;
  off_loop threads_;
  bool changed_ = false; ///< since it was written
  bool waiting_ = false; ///< for its time to be written
  bool writing_ = false;
  std::optional<time_point> last_write_;
  std::vector<caf::response_promise> asked_;    ///< for the next write
  std::vector<caf::response_promise> promised_; ///< with that under way
  deadline_id settled_;                         ///< while it waits
};

} // namespace weft
