// The UDP port: what it is told and asked.
#pragma once

#include "messages/batches.hpp"
#include "messages/stranger_port.hpp"

namespace weft {

/// peer -> udp_port: datagrams to be sent.
struct outgoing_datagrams {
  outgoing_ptr batch;
  network_path path;
  peer_actor peer; ///< hears of a lost source
};

/// registry -> udp_port: answered once all datagrams that came before are with
/// the host.
struct finish_sending {};

/// overlay -> udp_port: listen here, with this mark.  Where it listens already
/// the sockets stay, and only the mark changes.  Answered with the port in use;
/// on failure the former sockets stay.
struct rebind {
  endpoint listen;
  std::uint32_t fwmark = 0;
};

/// stranger_port -> udp_port: let it have the sockets for what does not come
/// from peers.
struct strangers_welcome {
  stranger_port_actor port;
};

class device_relief;

/// overlay -> udp_port: who relieves its lane of the TUN device.  It meets the
/// lane's packets of both directions, and says when.
struct relieve {
  std::shared_ptr<device_relief> by;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::outgoing_datagrams)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::finish_sending)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::rebind)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::strangers_welcome)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::relieve)

namespace weft {

/// Receives batches of datagrams and sends them.
using udp_port_actor = caf::typed_actor<
  // datagrams of peers, to be sent; the gate's cookie replies
  caf::reacts_to<outgoing_datagrams>, caf::reacts_to<send_cookie_replies>,
  caf::replies_to<finish_sending>::with<void>,
  // there is room at the gate; and in the pool, so that it receives again
  caf::reacts_to<handshakes_processed>, caf::reacts_to<batch_available>,
  // whose session a receiver index is
  caf::replies_to<routes_changed>::with<void>,
  // who takes what is not for a peer
  caf::reacts_to<gate_started>, caf::reacts_to<strangers_welcome>,
  // its sockets
  caf::replies_to<rebind>::with<std::uint16_t>, caf::reacts_to<use_features>,
  // what a stranger's socket heard of its datagrams
  caf::reacts_to<path_too_narrow>,
  // who reads and writes the TUN device while the lane's loop is at its end
  caf::reacts_to<relieve>,
  // another process takes its place, or does not
  caf::replies_to<freeze>::with<void>, caf::reacts_to<thaw>,
  // for status
  caf::replies_to<report_request>::with<drop_report>>;

} // namespace weft
