// The event hub: what it is told and asked.
#pragma once

#include "messages/control.hpp"
#include "messages/shared.hpp"

namespace weft {

/// What has happened since the start.
struct event_report {
  std::vector<event_count> counts; ///< of all kinds
  std::uint64_t lost = 0;          ///< events that subscribers did not get
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::event_report)

namespace weft {

/// Passes what happens on to the subscribers.
using event_hub_actor = caf::typed_actor<
  // from whoever something happens to
  caf::reacts_to<overlay_event>,
  // from whoever wants to hear of it
  caf::replies_to<subscribe>::with<void>,
  caf::replies_to<unsubscribe>::with<void>,
  // for status
  caf::replies_to<report_request>::with<event_report>>;

} // namespace weft
