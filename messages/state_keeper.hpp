// The keeper of what outlives the process: what it is told.
#pragma once

#include "protocol/base/keys.hpp"
#include "protocol/tunnel/session_state.hpp"

#include <caf/all.hpp>

#include <string>

namespace weft {

/// registry -> state_keeper: what a peer's next session would go on with.
struct peer_noted {
  public_key self; ///< whom we spoke as
  public_key peer;
  std::string configured; ///< its endpoint, as it is configured; may be empty
  session_memory memory;
};

/// registry -> state_keeper: nothing is to be kept of this peer.
struct peer_forgotten {
  public_key peer;
};

/// overlay -> state_keeper: write what is new at once.  Answered when that has
/// succeeded or failed.
struct keep_now {};

/// A thread -> state_keeper: it has written.
struct state_written {
  std::string failure; ///< empty: it is on the disk
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_noted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_forgotten)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::keep_now)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::state_written)

namespace weft {

/// Keeps what it is told for the next process.
using state_keeper_actor
  = caf::typed_actor<caf::reacts_to<peer_noted>, caf::reacts_to<peer_forgotten>,
                     caf::replies_to<keep_now>::with<void>,
                     caf::reacts_to<state_written>>;

} // namespace weft
