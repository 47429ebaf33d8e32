#include "config/assurance.hpp"

#include "config/full_tunnel.hpp"

#include <algorithm>
#include <string_view>

namespace weft {

namespace {

constexpr const char* how
  = " sends this host's whole traffic another way, so a mistake can cut it "
    "off: switch it on with --confirm TIME, which takes it back unless 'weft "
    "confirm' comes, or with --yes (weft reload, apply, peer and allow)";

/// Half of all addresses, or more: who has no default route leads all there in
/// two halves.
bool is_half(const ip_prefix& network) {
  return network.length <= 1;
}

/// The key by which all, or half of it, goes into the tunnel; empty: none does.
/// In a table of the configuration rules decide what does.
std::string_view leading_key(const node_config& config) {
  const auto& interface = config.interface;
  if (interface.table != 0)
    return {};
  if (full_tunnel_of(config).any())
    return "peers.default_route";
  if (std::ranges::any_of(interface.cluster_networks, is_half))
    return "interface.cluster_networks";
  const auto leads_half = [](const peer_config& peer) {
    return std::ranges::any_of(peer.allowed_ips, is_half);
  };
  if (interface.routes == route_mode::automatic
      && std::ranges::any_of(config.peers, leads_half))
    return "peers.allowed_ips";
  return {};
}

} // namespace

bool may_need_assurance(const patch<peer_config>& change) {
  const auto* leads_all = change.find(&peer_config::default_route);
  return (leads_all != nullptr && *leads_all)
         || std::ranges::any_of(change.allowed_ips, [](const auto& allowed) {
              return !allowed.remove && is_half(allowed.prefix);
            });
}

std::optional<field_error>
missing_assurance(const node_config& from, const node_config& to) {
  if (to.interface.kill_switch && !from.interface.kill_switch)
    return field_error{"interface.kill_switch", std::string{"this"} + how};
  if (const auto key = leading_key(to);
      !key.empty() && leading_key(from).empty())
    return field_error{std::string{key}, std::string{"this"} + how};
  return std::nullopt;
}

} // namespace weft
