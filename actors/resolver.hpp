// The resolver: host names to endpoints, without blocking any loop.
#pragma once

#include "actors/io_loop.hpp"
#include "messages/interfaces.hpp"

#include <deque>
#include <mutex>

namespace weft {

/// One look-up at a time, on a thread that nothing waits for.
class resolver : public hosted<resolver_actor::base> {
public:
  resolver(caf::actor_config& config, io_loop_ptr loop);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// Lets the thread of a look-up speak to the actor only while it lives.
  struct door {
    std::mutex mutex;
    bool open = true;
  };

  void start_next();
  void start_thread(const host_endpoint& host);
  void finished(const lookup_finished& result);

  std::shared_ptr<door> door_ = std::make_shared<door>();
  std::deque<resolve_endpoint>
    queue_; ///< its first is being looked up, if busy_
  bool busy_ = false;
};

} // namespace weft
