// The peer actor: what it is told and asked.
#pragma once

#include "config/device_status.hpp"
#include "config/device_update.hpp"
#include "messages/batches.hpp"
#include "messages/cipher_job.hpp"
#include "messages/inspect.hpp"
#include "messages/shared.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace weft {

struct saved_node;
struct saved_session;

/// tun_reader -> peer: plain packets to be sealed.
struct outgoing_packets {
  outgoing_ptr batch;
  bool contended = false; ///< several peers have packets just now
};

/// udp_port -> peer: a chain of transport messages to be opened, and the
/// routes that their inner source addresses are checked with.
struct incoming_datagrams {
  incoming_ptr batch;
  std::uint16_t first = 0;
  routes_ptr allowed;
};

/// cipher_worker, or whoever took its place -> peer: what became of a job.
struct cipher_done {
  cipher_job_ptr job;
};

/// host_writer -> peer: so many of its packets were not taken.
struct packets_refused {
  std::uint64_t busy = 0;     ///< no room, or the link is down
  std::uint64_t rejected = 0; ///< the host does not take such packets
};

/// An initiation, response or cookie reply as it came.
struct handshake_message {
  std::array<std::byte, wire::initiation_size> bytes{};
  std::uint8_t size = 0;
  network_path path;

  const_byte_span view() const {
    return const_byte_span{bytes}.first(size);
  }
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

/// handshake_gate -> peer: start a handshake, if there is no session.
struct session_wanted {};

/// handshake_gate -> peer: a handshake message for another key than ours came
/// from its configured address, or says so.
struct wrong_key_claimed {
  endpoint from;
};

/// registry -> peer: start a handshake, also if there is a session.
struct handshake_wanted {};

/// timer -> peer: the deadline that it asked for has passed.
struct deadline_passed {};

/// registry -> peer, once everybody has heard of it: it may begin to speak, and
/// the answers will find it.
struct peer_published {};

/// registry -> peer: the name of its endpoint stands for this address.
struct endpoint_found {
  endpoint where;
};

/// registry -> peer: somebody else says now that it is to exist.
struct origin_changed {
  peer_origin origin = peer_origin::file;
};

/// registry -> peer: some of its allowed IPs are its own no more.  Answered
/// once all that was routed to it before has left it, and what waits for a
/// session has been looked at again.
struct prefixes_lost {
  routes_ptr snapshot;
};

/// udp_port or stranger_port -> peer: the network refused a datagram to it.
/// Told once a second for each endpoint.
struct path_failed {
  int code = 0; ///< errno
  endpoint where;
  /// By an ICMP message, which quotes an initiation with this index.  Nothing:
  /// this host refused to send it.
  std::optional<std::uint32_t> initiation;
};

/// stranger_port -> udp_port -> peer: an ICMP message says that a datagram to
/// `where` was too big.  Told once a second for each endpoint.
struct path_too_narrow {
  endpoint where;
  std::uint32_t mtu = 0; ///< what would pass; 0: not said
  /// How the datagram began, as far as it was quoted.
  std::array<std::byte, 8> quoted{};
  std::size_t quoted_size = 0;
};

/// registry -> peer: send nothing any more, add all that you are to `into`, and
/// let go of that.  The registry goes on once all have, and takes those who
/// have added nothing for failed.
struct freeze_peer {
  std::shared_ptr<saved_node> into;
  std::size_t number = 0; ///< of the peer in it
};

struct peer_report {
  std::uint32_t slot = 0;
  peer_status status;
  drop_counters drops;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::outgoing_packets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::incoming_datagrams)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::cipher_done)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::packets_refused)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::initiation_received)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::answer_received)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::session_wanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::wrong_key_claimed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::handshake_wanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::deadline_passed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_published)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::origin_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::prefixes_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::path_failed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::path_too_narrow)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::freeze_peer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_report)

namespace weft {

/// Holds one peer's Noise session.
using peer_actor = caf::typed_actor<
  // packets out: seals them, or keeps them until there is a session
  caf::reacts_to<outgoing_packets>,
  // packets in: opens them, checks their inner source, passes them on to the
  // host's writer
  caf::reacts_to<incoming_datagrams>, caf::reacts_to<packets_refused>,
  // either way, what other threads have done of it
  caf::reacts_to<cipher_done>,
  // handshakes, once the gate has found them worth their cost
  caf::reacts_to<initiation_received>, caf::reacts_to<answer_received>,
  caf::reacts_to<session_wanted>, caf::reacts_to<handshake_wanted>,
  caf::reacts_to<wrong_key_claimed>,
  // what the session's timers asked for
  caf::reacts_to<deadline_passed>,
  // it looks for its local address again; it knows why nobody answers
  caf::reacts_to<source_lost>, caf::reacts_to<host_routes_changed>,
  caf::reacts_to<path_failed>, caf::reacts_to<path_too_narrow>,
  // from the registry: begin, and be another.  Of a patch all counts but its
  // verb and its allowed IPs.
  caf::reacts_to<peer_published>,
  caf::replies_to<patch<peer_config>>::with<void>,
  caf::reacts_to<origin_changed>, caf::reacts_to<endpoint_found>,
  caf::replies_to<change_identity>::with<void>,
  caf::replies_to<prefixes_lost>::with<void>,
  // another process takes its place, or does not
  caf::reacts_to<freeze_peer>, caf::reacts_to<thaw>,
  caf::reacts_to<forget_keys>,
  // for status
  caf::replies_to<report_request>::with<peer_report>>;

} // namespace weft
