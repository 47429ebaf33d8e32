// The event hub: what it is told and asked.
#pragma once

#include "messages/control.hpp"

namespace weft {

/// Passes what happens on to the subscribers.
using event_hub_actor = caf::typed_actor<
  // from whoever something happens to
  caf::reacts_to<overlay_event>,
  // from whoever wants to hear of it
  caf::replies_to<subscribe>::with<void>,
  caf::replies_to<unsubscribe>::with<void>>;

} // namespace weft
