// The handshake gate: what it is told and asked.
#pragma once

#include "messages/peer.hpp"

namespace weft {

struct gate_started;

/// Whoever hands handshake messages to the gate.
using handshake_source_actor
  = caf::typed_actor<caf::reacts_to<gate_started>,
                     caf::reacts_to<handshakes_processed>>;

/// Whoever has a socket that cookie replies may leave by.
using cookie_sender_actor
  = caf::typed_actor<caf::reacts_to<send_cookie_replies>>;

/// udp_port, stranger_port -> handshake_gate
struct incoming_handshakes {
  std::vector<handshake_message> messages;
  /// Who uses sessions that we do not know.  After a restart of ours those are
  /// peers that have not noticed yet.
  std::vector<endpoint> unknown;
  handshake_source_actor from;
  cookie_sender_actor answers; ///< by its socket they are to be answered
};

/// Who may shake hands.
struct peer_entry {
  weft::public_key key;
  peer_actor actor; ///< null: nobody any more
  /// A copy of what the registry has: the address, or what its name was found
  /// to stand for.
  std::optional<weft::endpoint> configured_endpoint;
};

/// registry -> handshake_gate
struct peer_entries_changed {
  std::vector<peer_entry> entries;
};

/// overlay -> handshake_gate: another process takes your place.  Answered once
/// what waits is with the peers.
struct freeze_gate {};

/// What the gate leaves; nothing: there is no key.
struct frozen_gate {
  std::optional<cookie_checker::state> cookies;
};

/// handshake_gate -> itself: go on with what waits.
struct work_due {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::incoming_handshakes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_entries_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::freeze_gate)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::frozen_gate)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::work_due)

namespace weft {

/// Checks handshake messages before they cost a peer anything.
using handshake_gate_actor = caf::typed_actor<
  // MACs, cookies, and whom an initiation names; what is right goes to its peer
  caf::reacts_to<incoming_handshakes>, caf::reacts_to<work_due>,
  // from the registry: who we are, and who they are
  caf::replies_to<change_identity>::with<void>,
  caf::reacts_to<peer_entries_changed>,
  caf::replies_to<routes_changed>::with<void>,
  // another process takes its place, or does not
  caf::replies_to<freeze_gate>::with<frozen_gate>, caf::reacts_to<thaw>,
  // for status
  caf::replies_to<report_request>::with<drop_report>>;

/// handshake_gate -> whoever hands messages to it: pass them here.
struct gate_started {
  handshake_gate_actor gate;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::gate_started)
