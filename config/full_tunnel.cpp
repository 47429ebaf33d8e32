#include "config/full_tunnel.hpp"

namespace weft {

full_tunnel& full_tunnel::operator|=(const full_tunnel& other) {
  v4 = v4 || other.v4;
  v6 = v6 || other.v6;
  return *this;
}

ip_prefix everything(ip_family family) {
  return {ip_address{family, {}}, 0};
}

std::vector<ip_prefix> prefixes_of(const full_tunnel& all) {
  std::vector<ip_prefix> prefixes;
  for (const auto family : {ip_family::v4, ip_family::v6})
    if (all.of(family))
      prefixes.push_back(everything(family));
  return prefixes;
}

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
  for (const auto& peer : config.peers)
    whole |= all_that_goes_to(peer, config.interface.routes);
  return whole;
}

} // namespace weft
