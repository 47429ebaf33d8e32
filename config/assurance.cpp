#include "config/assurance.hpp"

#include <algorithm>

namespace weft {

namespace {

constexpr const char* how
  = " sends this host's whole traffic another way, so a mistake can cut it "
    "off: switch it on with --confirm TIME, which takes it back unless 'weft "
    "confirm' comes, or with --yes (weft reload, weft apply)";

} // namespace

bool has_default_route(const node_config& config) {
  const auto is_all
    = [](const ip_prefix& prefix) { return prefix.length == 0; };
  return std::ranges::any_of(config.peers, [&](const peer_config& peer) {
    return peer.default_route
           || (config.interface.routes == route_mode::automatic
               && std::ranges::any_of(peer.allowed_ips, is_all));
  });
}

std::optional<field_error>
missing_assurance(const node_config& from, const node_config& to) {
  if (to.interface.kill_switch && !from.interface.kill_switch)
    return field_error{"interface.kill_switch", std::string{"this"} + how};
  if (has_default_route(to) && !has_default_route(from))
    return field_error{"peers.default_route", std::string{"this"} + how};
  return std::nullopt;
}

} // namespace weft
