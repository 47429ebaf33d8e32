// The event hub: what it is told and asked.
#pragma once

#include "messages/control.hpp"

namespace weft {

/// event_hub -> itself: a peer may have been silent too long.
struct silence_due {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::silence_due)

namespace weft {

/// Passes what happens on to the subscribers.
using event_hub_actor = caf::typed_actor<
  // from whoever something happens to
  caf::reacts_to<overlay_event>, caf::reacts_to<silence_due>,
  // from whoever wants to hear of it
  caf::replies_to<subscribe>::with<void>,
  caf::replies_to<unsubscribe>::with<void>>;

} // namespace weft
