// What the actors say to each other: every message and every typed interface.
// Packets travel in batches, in this process only.  Data is named by direction
// and noun, commands by verb and noun, facts in the past tense.
#pragma once

#include "messages/batches.hpp"
#include "messages/control.hpp"
#include "protocol/tunnel/allowed_ips.hpp"
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/drop_reason.hpp"
#include "protocol/tunnel/noise.hpp"
#include "protocol/tunnel/receiver_index.hpp"

#include <caf/all.hpp>
#include <tl/expected.hpp>

#include <memory>
#include <string>
#include <vector>

namespace weft {

class routes;
struct udp_sockets;
/// An immutable snapshot that the registry publishes.
using routes_ptr = std::shared_ptr<const routes>;

// -- packets -----------------------------------------------------------------

/// tun_reader -> peer: plain packets to be sealed.
struct outgoing_packets {
  outgoing_ptr batch;
};

/// peer -> udp_port: datagrams to be sent.
struct outgoing_datagrams {
  outgoing_ptr batch;
  network_path path;
};

/// udp_port -> peer: a chain of transport messages to be opened, and the
/// routes that their inner source addresses are checked with.
struct incoming_datagrams {
  incoming_ptr batch;
  std::uint16_t first = 0;
  routes_ptr allowed;
};

// -- handshakes --------------------------------------------------------------

/// An initiation, response or cookie reply as it came.
struct handshake_message {
  std::array<std::byte, wire::initiation_size> bytes{};
  std::uint8_t size = 0;
  network_path path;

  const_byte_span view() const {
    return const_byte_span{bytes}.first(size);
  }
};

/// handshake_gate -> whoever sent it incoming_handshakes: so many messages, and
/// so many remotes, have been looked at.
struct handshakes_processed {
  std::size_t messages = 0;
  std::size_t unknown = 0;
};

/// Whoever hands handshake messages to the gate.
using handshake_source_actor
  = caf::typed_actor<caf::reacts_to<handshakes_processed>>;

/// udp_port, stranger_port -> handshake_gate
struct incoming_handshakes {
  std::vector<handshake_message> messages;
  /// Who uses sessions that we do not know.  After a restart of ours those are
  /// peers that have not noticed yet.
  std::vector<endpoint> unknown;
  handshake_source_actor from;
};

struct cookie_reply {
  cookie_reply_message message;
  network_path path;
};

/// handshake_gate -> stranger_port (or on to udp_port): cookie replies.
struct send_cookie_replies {
  std::vector<cookie_reply> replies;
};

/// handshake_gate -> peer: an initiation that names this peer.
struct initiation_received {
  std::shared_ptr<const noise_claim> claim;
  network_path path;
};

/// handshake_gate -> peer: a response or a cookie reply to its initiation.
struct answer_received {
  handshake_message message;
};

// -- time --------------------------------------------------------------------

/// timer -> peer: the deadline that it asked for has passed.
struct deadline_passed {};

// -- configuration -----------------------------------------------------------

/// registry -> peer, when it is spawned: the whole of it.
struct peer_settings {
  std::string name;
  weft::public_key public_key;
  weft::preshared_key preshared_key;
  std::optional<weft::endpoint> endpoint;
  std::string endpoint_host; ///< `HOST:PORT`, when it is a name
  std::chrono::seconds persistent_keepalive{0};
};

/// registry -> peer, once everybody has heard of it: it may begin to speak, and
/// the answers will find it.
struct peer_published {};

/// registry -> peer: changes; what is absent stays.  Answered once they are in
/// force.
struct change_peer {
  std::optional<std::string> name;
  std::optional<weft::preshared_key> preshared_key;
  std::optional<weft::endpoint> endpoint;
  std::optional<std::string> endpoint_host;
  std::optional<std::chrono::seconds> persistent_keepalive;
};

/// overlay -> registry -> peers and gate: our key has changed (null: cleared),
/// or the link went up or down.  Sessions end.  Answered once nobody speaks as
/// the former one any more.
struct change_identity {
  std::shared_ptr<const identity> self;
  bool link_up = true;

  /// Whom we speak as: nobody while the link is down.
  std::shared_ptr<const identity> speaker() const {
    return link_up ? self : nullptr;
  }
};

/// overlay -> tun_reader: the interface's MTU bounds the padding.
struct mtu_changed {
  std::uint32_t mtu = 0;
};

/// registry -> tun_reader, udp_port, handshake_gate: answered once no packet
/// is routed with an older snapshot any more.
struct routes_changed {
  routes_ptr snapshot;
};

/// registry -> peer: some of its allowed IPs are its own no more.  Answered
/// once all that was routed to it before has left it, and what waits for a
/// session has been looked at again.
struct prefixes_lost {
  routes_ptr snapshot;
};

/// registry -> udp_port: answered once all datagrams that came before are with
/// the host.
struct finish_sending {};

/// handshake_gate -> peer: start a handshake, if there is no session.
struct session_wanted {};

/// udp_port -> stranger_port: the sockets for what does not come from peers;
/// they take the place of the former ones.
struct stranger_sockets {
  std::shared_ptr<udp_sockets> opened;
};

/// udp_port -> stranger_port: they are in the way of new ones.
struct close_sockets {};

/// udp_port -> peer, or overlay -> registry -> peers: the local address of a
/// path may not be right any more.
struct source_lost {};

// -- reports -----------------------------------------------------------------

struct report_request {
  bool secrets = false;         ///< for the UAPI socket
  std::uint32_t first_peer = 0; ///< its slot, or the next one in use
  std::uint32_t max_peers = ~std::uint32_t{0};
  std::uint32_t max_prefixes = ~std::uint32_t{0}; ///< but one peer at least

  bool operator==(const report_request&) const = default;
};

/// What an actor has counted.
struct drop_report {
  drop_counters drops;
};

struct peer_report {
  std::uint32_t slot = 0;
  peer_status status;
  drop_counters drops;
};

/// All peers, with their allowed IPs, in the order of their slots.
struct registry_report {
  std::vector<peer_status> peers;
  std::uint32_t next_peer = 0; ///< slot of the next one in use; 0: none
  drop_counters drops;
};

/// overlay -> registry: what are the peers configured to be?
struct configuration_request {};

struct peer_configurations {
  std::vector<peer_config> peers; ///< with their preshared keys
};

/// overlay -> registry: change a peer, which must exist (ENOENT).
struct change_existing_peer {
  peer_update update;
};

/// overlay -> registry: could this change be made (ENOSPC, EEXIST)?  Nothing is
/// changed.
struct check_update {
  std::shared_ptr<const device_update> update;
};

/// registry -> itself: go on with a change that has many peers.
struct go_on_changing {};

/// registry -> itself: who has not taken a change over by now is not waited
/// for.
struct changes_overdue {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::outgoing_packets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::outgoing_datagrams)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::incoming_datagrams)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::incoming_handshakes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::handshakes_processed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::send_cookie_replies)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::initiation_received)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::answer_received)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::deadline_passed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_published)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_peer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_identity)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::mtu_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::routes_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::prefixes_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::finish_sending)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::check_update)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::go_on_changing)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::changes_overdue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::source_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::close_sockets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::stranger_sockets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::session_wanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::report_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::drop_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::registry_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::configuration_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_configurations)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_existing_peer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::device_update)

namespace weft {

// -- interfaces --------------------------------------------------------------

/// Holds one peer's Noise session.
using peer_actor = caf::typed_actor<
  caf::reacts_to<outgoing_packets>, caf::reacts_to<incoming_datagrams>,
  caf::reacts_to<initiation_received>, caf::reacts_to<answer_received>,
  caf::reacts_to<deadline_passed>, caf::reacts_to<source_lost>,
  caf::reacts_to<session_wanted>, caf::reacts_to<peer_published>,
  caf::replies_to<change_peer>::with<void>,
  caf::replies_to<change_identity>::with<void>,
  caf::replies_to<prefixes_lost>::with<void>,
  caf::replies_to<report_request>::with<peer_report>>;

/// peer -> timer: wake `peer` (of `slot`) at `when`; replaces what it asked
/// before.  Nothing: never.
struct arm_deadline {
  std::uint32_t slot = 0;
  std::optional<time_point> when;
  peer_actor peer;
};

/// Who may shake hands.
struct peer_entry {
  weft::public_key key;
  peer_actor actor; ///< null: nobody any more
  std::optional<weft::endpoint> configured_endpoint;
};

/// registry -> handshake_gate
struct peer_entries_changed {
  std::vector<peer_entry> entries;
};

/// handshake_gate -> itself: go on with what waits.
struct work_due {};

/// Checks handshake messages before they cost a peer anything.
using handshake_gate_actor
  = caf::typed_actor<caf::reacts_to<incoming_handshakes>,
                     caf::replies_to<change_identity>::with<void>,
                     caf::reacts_to<peer_entries_changed>,
                     caf::replies_to<routes_changed>::with<void>,
                     caf::reacts_to<work_due>,
                     caf::replies_to<report_request>::with<drop_report>>;

/// handshake_gate -> udp_port, stranger_port: pass handshake messages here.
struct gate_started {
  handshake_gate_actor gate;
};

/// overlay -> udp_port: listen here, with this mark.  Answered with the port
/// in use; on failure the former sockets stay.
struct rebind {
  endpoint listen;
  std::uint32_t fwmark = 0;
};

/// overlay -> udp_port: only the mark changes.
struct change_fwmark {
  std::uint32_t fwmark = 0;
};

/// resolver -> registry: one address or more, the preferred one first.
struct endpoint_resolved {
  weft::public_key peer;
  host_endpoint host;
  std::vector<weft::endpoint> found;
};

/// peer -> registry: nobody answers at its endpoint, which has a host name.
struct endpoint_unanswered {
  weft::public_key peer;
};

/// Whoever waits for free batches: the TUN reader and the UDP socket.
struct batch_available {};

/// tun_reader -> overlay: the TUN device is gone.
struct interface_lost {
  std::string reason;
};

/// gateway -> overlay: whether one can come in over the network.
struct remote_control_changed {
  std::string why_closed; ///< empty: it is open
};

/// overlay -> itself: some time has passed since the host's routes changed.
struct routes_settled {};

/// A thread -> overlay: the configuration file, or all that is wrong with it.
struct config_read {
  tl::expected<node_config, std::string> config;
};

/// overlay -> itself: the configuration file should have been read by now.
struct config_overdue {
  std::uint64_t number = 0; ///< of the reading
};

/// overlay -> itself: the next report may be collected.
struct report_due {};

/// This machine goes on from a snapshot that others may go on from, too: what
/// was agreed on with peers must not be used again.
struct machine_cloned {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::arm_deadline)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_entries_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::gate_started)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::work_due)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::rebind)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_fwmark)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_resolved)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_unanswered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::batch_available)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::interface_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::remote_control_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::routes_settled)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::config_read)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::config_overdue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::report_due)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::machine_cloned)

namespace weft {

/// Keeps the deadlines of all peers.
using timer_actor = caf::typed_actor<caf::reacts_to<arm_deadline>>;

/// Reads packets from the TUN device and routes them to peers.
using tun_reader_actor
  = caf::typed_actor<caf::replies_to<routes_changed>::with<void>,
                     caf::reacts_to<mtu_changed>,
                     caf::reacts_to<batch_available>,
                     caf::replies_to<report_request>::with<drop_report>>;

/// Receives what does not come from peers, and answers it with cookies.
using stranger_port_actor = caf::typed_actor<
  caf::reacts_to<stranger_sockets>, caf::replies_to<close_sockets>::with<void>,
  caf::reacts_to<send_cookie_replies>, caf::reacts_to<handshakes_processed>,
  caf::replies_to<routes_changed>::with<void>, caf::reacts_to<gate_started>,
  caf::replies_to<change_fwmark>::with<void>,
  caf::replies_to<report_request>::with<drop_report>>;

/// stranger_port -> udp_port: let it have the sockets for what does not come
/// from peers.
struct strangers_welcome {
  stranger_port_actor port;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::strangers_welcome)

namespace weft {

/// Receives batches of datagrams and sends them.
using udp_port_actor = caf::typed_actor<
  caf::reacts_to<outgoing_datagrams>, caf::reacts_to<send_cookie_replies>,
  caf::reacts_to<handshakes_processed>,
  caf::replies_to<routes_changed>::with<void>,
  caf::replies_to<finish_sending>::with<void>, caf::reacts_to<gate_started>,
  caf::reacts_to<strangers_welcome>, caf::reacts_to<batch_available>,
  caf::replies_to<rebind>::with<std::uint16_t>,
  caf::replies_to<change_fwmark>::with<void>,
  caf::replies_to<report_request>::with<drop_report>>;

/// registry -> itself: it is time to start a failed peer again.
struct restart_peer {
  std::uint32_t slot = 0;
  weft::public_key key;
};

/// resolver -> registry
struct endpoint_not_found {
  weft::public_key peer;
  host_endpoint host;
  std::chrono::seconds retry_after{2};
  std::string reason;
};

/// registry -> itself: it is time to look up a host name again.
struct lookup_due {
  weft::public_key peer;
  host_endpoint host;
  std::chrono::seconds retry_after{2};
};

/// A look-up's thread -> resolver.
struct lookup_finished {
  host_endpoint host;
  std::vector<weft::endpoint> found; ///< empty: see `error`
  std::string error;
};

/// resolver -> itself: a look-up may have taken too long.
struct lookups_due {};

/// event_hub -> itself: a peer may have been silent too long.
struct silence_due {};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::lookup_finished)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::lookups_due)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::silence_due)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_not_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::lookup_due)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::restart_peer)

namespace weft {

/// Passes what happens on to the subscribers.
using event_hub_actor = caf::typed_actor<
  caf::reacts_to<overlay_event>, caf::replies_to<subscribe>::with<void>,
  caf::replies_to<unsubscribe>::with<void>, caf::reacts_to<silence_due>>;

/// Owns peers, allowed IPs and receiver indices.  A change is answered once it
/// is in force everywhere.
using registry_actor = caf::typed_actor<
  caf::replies_to<device_update>::with<config_changes>,
  caf::replies_to<change_existing_peer>::with<config_changes>,
  caf::replies_to<check_update>::with<void>,
  caf::replies_to<change_identity>::with<config_changes>,
  caf::reacts_to<go_on_changing>, caf::reacts_to<changes_overdue>,
  caf::reacts_to<endpoint_resolved>, caf::reacts_to<endpoint_not_found>,
  caf::reacts_to<endpoint_unanswered>, caf::reacts_to<lookup_due>,
  caf::reacts_to<restart_peer>, caf::reacts_to<source_lost>,
  caf::replies_to<check_handshake>::with<bool>,
  caf::replies_to<configuration_request>::with<peer_configurations>,
  caf::replies_to<report_request>::with<registry_report>>;

/// registry -> resolver: look up a host name for a peer.
struct resolve_endpoint {
  weft::public_key peer;
  host_endpoint host;
  registry_actor asker;
  std::chrono::seconds retry_after{2}; ///< if it is not found
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::resolve_endpoint)

namespace weft {

/// Looks up host names.
using resolver_actor = caf::typed_actor<caf::reacts_to<resolve_endpoint>,
                                        caf::reacts_to<lookup_finished>,
                                        caf::reacts_to<lookups_due>>;

/// The local server of the cross-platform WireGuard control protocol.
using uapi_actor = caf::typed_actor<caf::reacts_to<shut_down>>;

/// The root: owns the configuration, supervises, answers control.
using overlay_root_actor = overlay_actor::extend<
  caf::replies_to<device_update>::with<void>,
  caf::replies_to<report_request>::with<device_status>,
  caf::reacts_to<interface_lost>, caf::reacts_to<remote_control_changed>,
  caf::reacts_to<routes_settled>, caf::reacts_to<config_read>,
  caf::reacts_to<config_overdue>, caf::reacts_to<report_due>,
  caf::reacts_to<machine_cloned>>;

} // namespace weft
