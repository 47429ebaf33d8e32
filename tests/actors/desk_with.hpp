// Cipher workers whose part a test plays.
#pragma once

#include "actors/loop/cipher_desk.hpp"
#include "tests/actors/support.hpp"

#include <memory>

namespace weft::test {

/// A desk with one worker, which is ready.
inline std::shared_ptr<cipher_desk>
desk_with(const cipher_worker_actor& worker) {
  return std::make_shared<cipher_desk>(std::vector<cipher_desk::worker>{
    {worker,
     std::make_shared<std::atomic<worker_state>>(worker_state::ready)}});
}

} // namespace weft::test
