// The resolver: host names to endpoints, without blocking any loop.
#pragma once

#include "actors/io_loop.hpp"
#include "messages/interfaces.hpp"

#include <spdlog/logger.h>

#include <deque>
#include <mutex>

namespace weft {

/// One look-up at a time, on a thread that nothing waits for; a name that is
/// not found is tried again, at first after 2 s and later every minute.
class resolver : public hosted<resolver_actor::base> {
public:
  resolver(caf::actor_config& config, io_loop_ptr loop,
           std::shared_ptr<spdlog::logger> log);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// Lets the thread of a look-up speak to the actor only while it lives.
  struct door {
    std::mutex mutex;
    bool open = true;
  };

  void start_next();
  void finished(const lookup_finished& result);

  std::shared_ptr<spdlog::logger> log_;
  std::shared_ptr<door> door_ = std::make_shared<door>();
  std::deque<resolve_endpoint>
    queue_; ///< its first is being looked up, if busy_
  bool busy_ = false;
};

} // namespace weft
