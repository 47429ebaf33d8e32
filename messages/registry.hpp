// The registry: what it is told and asked.
#pragma once

#include "config/device_update.hpp"
#include "config/peer_networks.hpp"
#include "messages/control.hpp"
#include "messages/peer.hpp"
#include "protocol/tunnel/session_state.hpp"

namespace weft {

/// All peers, with their allowed IPs, in the order of their slots.
struct registry_report {
  std::vector<peer_status> peers;
  std::uint32_t next_peer = 0; ///< slot of the next one in use; 0: none
  drop_counters drops;
};

/// overlay -> registry: what are those peers configured to be that a whole
/// configuration replaces, which is all but those of the network?
struct configuration_request {};

struct peer_configurations {
  std::vector<peer_config> peers; ///< with their preshared keys
  /// The network's peers that these have taken something from, since it told of
  /// them last.
  std::vector<public_key> deprived{};
};

/// overlay -> registry: what do they ask of the host?  Answered without a copy
/// of each.
struct networks_request {
  route_mode routes = route_mode::manual;
};

/// overlay -> registry: where are the peers?
struct addresses_request {};

struct peer_addresses {
  /// Each once: where they were heard last, else where they were said to be.
  std::vector<ip_address> all;
};

/// overlay -> registry: change a peer, which must exist (ENOENT).
struct change_existing_peer {
  patch<peer_config> update;
};

/// overlay -> registry: could this change be made (ENOSPC, EEXIST)?  Nothing is
/// changed.
struct check_update {
  std::shared_ptr<const device_update> update;
};

/// overlay -> registry: all peers are to stand still soon.  Answered once all
/// that need not wait until then is done (ENOMEM).
struct prepare_freeze {};

/// overlay -> registry: have all peers stand still.  Answered once all have
/// said what they leave.
struct freeze_peers {};

/// The last peer that stood still -> registry: they all do, or have failed.
struct peers_stand_still {
  std::shared_ptr<saved_node> left;
};

/// The last peer that has forgotten its keys -> registry: they all have.
struct keys_forgotten {};

/// The peers, and what else the registry leaves; the rest is not filled in.
struct frozen_peers {
  std::shared_ptr<saved_node> saved;
};

/// overlay -> registry, while it has no peers: go on with those of an earlier
/// process.  Answered once they are known everywhere.
struct inherit_peers {
  std::shared_ptr<const saved_node> from;
};

/// registry -> itself: go on with a change that has many peers.
struct go_on_changing {};

/// peer -> registry, just before its down message: what the actor that takes
/// its place has to go on with.
struct session_ended {
  session_memory memory;
  std::optional<time_point> up_until; ///< of its peer_health
  drop_counters drops;                ///< that it has counted
};

/// peer -> registry: it was heard from elsewhere, or a session began.
struct session_noted {
  session_memory memory;
};

/// resolver -> registry: one address or more, the preferred one first.
struct endpoint_resolved {
  weft::public_key peer;
  host_endpoint host;
  std::vector<weft::endpoint> found;
  /// Not empty: they are the former ones, as a server says that there are none
  /// any more.
  std::string gone{};
};

/// resolver -> registry
struct endpoint_not_found {
  weft::public_key peer;
  host_endpoint host;
  std::chrono::seconds retry_after{2};
  std::string reason;
};

/// peer -> registry: nobody answers at its endpoint, which has a host name.
struct endpoint_unanswered {
  weft::public_key peer;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::device_update)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::registry_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::configuration_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_configurations)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::networks_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_networks)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::addresses_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peer_addresses)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_existing_peer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::check_update)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::prepare_freeze)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::freeze_peers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::peers_stand_still)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::keys_forgotten)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::frozen_peers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::inherit_peers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::go_on_changing)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::session_ended)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::session_noted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_resolved)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_not_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::endpoint_unanswered)

namespace weft {

/// Owns peers, allowed IPs and receiver indices.  A change is answered once it
/// is in force everywhere.
using registry_actor = caf::typed_actor<
  // changes, and whether they could be made
  caf::replies_to<device_update>::with<config_changes>,
  caf::replies_to<change_existing_peer>::with<config_changes>,
  caf::replies_to<check_update>::with<void>,
  caf::replies_to<change_identity>::with<config_changes>,
  caf::reacts_to<go_on_changing>,
  // endpoints that are host names
  caf::reacts_to<endpoint_resolved>, caf::reacts_to<endpoint_not_found>,
  caf::reacts_to<endpoint_unanswered>,
  // peers that have ended, and paths that may have failed
  caf::reacts_to<session_ended>, caf::reacts_to<host_routes_changed>,
  // for whoever looks into what is wrong
  caf::replies_to<begin_handshake>::with<void>,
  // what is to outlive the process
  caf::reacts_to<session_noted>,
  caf::replies_to<reset_peer>::with<config_changes>,
  // another process takes the place of this one, or does not; this one has
  // taken another's
  caf::replies_to<prepare_freeze>::with<void>,
  caf::replies_to<freeze_peers>::with<frozen_peers>,
  caf::reacts_to<peers_stand_still>, caf::replies_to<thaw>::with<void>,
  caf::replies_to<forget_keys>::with<void>, caf::reacts_to<keys_forgotten>,
  caf::replies_to<inherit_peers>::with<config_changes>,
  // questions
  caf::replies_to<check_handshake>::with<bool>,
  caf::replies_to<configuration_request>::with<peer_configurations>,
  caf::replies_to<networks_request>::with<peer_networks>,
  caf::replies_to<addresses_request>::with<peer_addresses>,
  caf::replies_to<report_request>::with<registry_report>>;

} // namespace weft
