// For services: one call from a token to an overlay that is a member of a
// network, now and after each restart of the service.
#pragma once

#include "actors/network/start_membership.hpp"
#include "actors/overlay/start_overlay.hpp"
#include "protocol/network/token.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {

struct join_network_options {
  /// Who this node is and what its network has told: made (0700) if it is
  /// missing.  Whoever has it is this member.
  std::string folder;
  std::optional<std::string> name; ///< wanted, unless the invitation says one
  /// Of the overlay: `device` and `listen` are yours; private key, addresses,
  /// the network's ranges and peers follow from the membership.
  overlay_options overlay;
  std::vector<endpoint> endpoints; ///< where others reach this node
  membership_limits limits;
};

struct joined_network {
  running_overlay overlay;
  membership_actor membership;
  std::string name;                 ///< of this member
  std::vector<ip_prefix> addresses; ///< its own
};

/// Starts the overlay of a member whose `folder` has its certificate, and asks
/// for one before, once, with the token.  Keys are on the disk before anything
/// is asked, so that a call which was cut off is made good by the next one.
/// Blocks: a minute at most while it joins.  Both actors end with shut_down.
/// Errors say what is wrong and the remedy; nothing is left running then.
result<joined_network>
join_network(caf::actor_system& system, const std::optional<join_token>& token,
             join_network_options options);

} // namespace weft
