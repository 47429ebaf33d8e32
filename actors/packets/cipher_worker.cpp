#include "actors/packets/cipher_worker.hpp"

#include <stdexcept>

namespace weft {

cipher_worker::cipher_worker(caf::actor_config& config, io_loop_ptr loop,
                             shared_worker_state state)
  : hosted(config, std::move(loop)), state_(std::move(state)) {
}

cipher_worker::behavior_type cipher_worker::make_behavior() {
  if (!prepare_ciphers())
    throw std::runtime_error("the cipher library has no memory for a thread");
  state_->store(worker_state::ready);
  return {
    [](const cipher_work& work) {
      if (auto begun = work.job->begin())
        begun->perform();
    },
  };
}

void cipher_worker::on_exit() {
  state_->store(worker_state::ended);
}

} // namespace weft
