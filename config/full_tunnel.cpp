#include "config/full_tunnel.hpp"

namespace weft {

full_tunnel all_that_goes_to(const peer_config& peer, route_mode routes) {
  if (!peer.default_route && routes != route_mode::automatic)
    return {};
  full_tunnel all;
  for (const auto& prefix : peer.allowed_ips)
    if (prefix.length == 0)
      (prefix.address.is_v4() ? all.v4 : all.v6) = true;
  return peer.default_route && !all.any() ? full_tunnel{true, true} : all;
}

full_tunnel full_tunnel_of(const node_config& config) {
  full_tunnel whole;
  if (config.interface.table != 0)
    return whole;
  for (const auto& peer : config.peers) {
    const auto here = all_that_goes_to(peer, config.interface.routes);
    whole.v4 = whole.v4 || here.v4;
    whole.v6 = whole.v6 || here.v6;
  }
  return whole;
}

} // namespace weft
