// What this host does with the packets of a peer.
#pragma once

#include "tools/weft/explain/facts.hpp"

#include <optional>

namespace weft {

/// Allowed IPs of a peer whose routes are looked at.
inline constexpr std::size_t most_routes = 64;

/// Nothing: the node's interface is not in this network namespace.
std::optional<host_facts>
look_at_host(const device_status& node, const peer_status& peer);

} // namespace weft
