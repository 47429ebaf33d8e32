// Whether the host's whole traffic goes through the tunnel.
#pragma once

#include "config/node_config.hpp"

#include <vector>

namespace weft {

/// The families that do.
struct full_tunnel {
  bool v4 = false;
  bool v6 = false;

  bool any() const {
    return v4 || v6;
  }
  bool of(ip_family family) const {
    return family == ip_family::v4 ? v4 : v6;
  }
  full_tunnel& operator|=(const full_tunnel& other);
  bool operator==(const full_tunnel&) const = default;
};

/// 0.0.0.0/0 or ::/0
ip_prefix everything(ip_family family);

/// That of each family that does, IPv4 first.
std::vector<ip_prefix> prefixes_of(const full_tunnel& all);

/// That of a prefix.
full_tunnel family_of(const ip_prefix& prefix);

/// Those of which a peer gets everything: as its `default_route` says, or
/// allowed IPs of length 0 that have routes.
full_tunnel all_that_goes_to(const peer_config& peer, route_mode routes);
/// `stated`: the families of which there are such allowed IPs.
full_tunnel all_that_goes_to(bool default_route, const full_tunnel& stated,
                             route_mode routes);

/// The same of all peers, unless it takes the user's own rules to have it so:
/// in a table of the configuration, routes to everything are like any other.
full_tunnel full_tunnel_of(const node_config& config);

} // namespace weft
