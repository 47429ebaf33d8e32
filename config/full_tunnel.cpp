#include "config/full_tunnel.hpp"

namespace weft {

namespace {

full_tunnel all_networks_of(const peer_config& peer) {
  full_tunnel all;
  for (const auto& prefix : peer.allowed_ips)
    if (prefix.length == 0)
      (prefix.address.is_v4() ? all.v4 : all.v6) = true;
  return all;
}

} // namespace

full_tunnel full_tunnel_of(const node_config& config) {
  const auto& interface = config.interface;
  const bool by_networks
    = interface.routes == route_mode::automatic && interface.table == 0;
  full_tunnel whole;
  for (const auto& peer : config.peers) {
    auto here = all_networks_of(peer);
    if (peer.default_route && !here.any())
      here = {true, true};
    else if (!peer.default_route && !by_networks)
      continue;
    whole.v4 = whole.v4 || here.v4;
    whole.v6 = whole.v6 || here.v6;
  }
  return whole;
}

} // namespace weft
