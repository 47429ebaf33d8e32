// The timer actor: the next deadline of every peer, in one structure.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "messages/timer.hpp"

#include <queue>
#include <vector>

namespace weft {

/// Idle peers cost nothing; a deadline that was moved stays in the queue until
/// it falls due, and is then seen to be outdated.
class timer : public hosted<timer_actor::base> {
public:
  timer(caf::actor_config& config, io_loop_ptr loop);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct entry {
    time_point when{};
    std::uint32_t slot = 0;
    bool operator>(const entry& other) const {
      return when > other.when;
    }
  };
  struct armed_deadline {
    time_point when = time_point::max();
    peer_actor peer;
  };

  void arm(const arm_deadline& request);
  void fire();
  void watch_next();

  deadline_id next_;
  std::vector<armed_deadline> by_slot_;
  std::priority_queue<entry, std::vector<entry>, std::greater<>> queue_;
};

} // namespace weft
