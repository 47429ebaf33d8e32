// The stranger port: what it is told and asked.
#pragma once

#include "messages/handshake_gate.hpp"
#include "protocol/packets/udp_features.hpp"

namespace weft {

struct udp_sockets;

/// udp_port -> stranger_port: the sockets for what does not come from peers;
/// they take the place of the former ones.
struct stranger_sockets {
  std::shared_ptr<udp_sockets> opened;
};

/// udp_port -> stranger_port: only the mark changes.
struct change_fwmark {
  std::uint32_t fwmark = 0;
};

/// overlay -> udp_port -> stranger_port: what their sockets use from now on.
struct use_features {
  udp_features features;
};

/// udp_port -> stranger_port: they are in the way of new ones.
struct close_sockets {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::stranger_sockets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_fwmark)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::close_sockets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::use_features)

namespace weft {

/// Receives what does not come from peers, and answers it with cookies.
using stranger_port_actor = caf::typed_actor<
  // the sockets, which udp_port opens
  caf::reacts_to<stranger_sockets>, caf::replies_to<close_sockets>::with<void>,
  caf::replies_to<change_fwmark>::with<void>, caf::reacts_to<use_features>,
  // the gate, its answers, and room for more
  caf::reacts_to<gate_started>, caf::reacts_to<send_cookie_replies>,
  caf::reacts_to<handshakes_processed>,
  // which receiver indices are ours
  caf::replies_to<routes_changed>::with<void>,
  // another process takes its place, or does not
  caf::replies_to<freeze>::with<void>, caf::reacts_to<thaw>,
  // for status
  caf::replies_to<report_request>::with<drop_report>>;

} // namespace weft
