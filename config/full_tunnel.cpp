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

full_tunnel family_of(const ip_prefix& prefix) {
  const bool is_v4 = prefix.address.is_v4();
  return {is_v4, !is_v4};
}

full_tunnel all_that_goes_to(const peer_config& peer, route_mode routes) {
  full_tunnel stated;
  for (const auto& prefix : peer.allowed_ips)
    if (prefix.length == 0)
      stated |= family_of(prefix);
  return all_that_goes_to(peer.default_route, stated, routes);
}

full_tunnel all_that_goes_to(bool default_route, const full_tunnel& stated,
                             route_mode routes) {
  if (default_route)
    return stated.any() ? stated : full_tunnel{true, true};
  return routes == route_mode::automatic ? stated : full_tunnel{};
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
