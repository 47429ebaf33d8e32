// The timer actor: what it is told.
#pragma once

#include "messages/peer.hpp"
#include "protocol/base/time.hpp"

namespace weft {

/// peer -> timer: wake `peer` (of `slot`) at `when`; replaces what it asked
/// before.  Nothing: never.
struct arm_deadline {
  std::uint32_t slot = 0;
  std::optional<time_point> when;
  peer_actor peer;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::arm_deadline)

namespace weft {

/// Keeps the deadlines of all peers.
using timer_actor = caf::typed_actor<caf::reacts_to<arm_deadline>>;

} // namespace weft
