// The cipher worker: seals and opens what peers of other loops have for it, so
// that one peer has several cores.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "messages/cipher_worker.hpp"

namespace weft {

/// Counts nothing, and knows neither sessions nor sockets.
class cipher_worker : public hosted<cipher_worker_actor::base> {
public:
  /// `state` is ready once this thread can do the work, and ended once it is
  /// over.
  cipher_worker(caf::actor_config& config, io_loop_ptr loop,
                shared_worker_state state);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  shared_worker_state state_;
};

} // namespace weft
