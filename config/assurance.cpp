#include "config/assurance.hpp"

#include "config/full_tunnel.hpp"

namespace weft {

namespace {

constexpr const char* how
  = " sends this host's whole traffic another way, so a mistake can cut it "
    "off: switch it on with --confirm TIME, which takes it back unless 'weft "
    "confirm' comes, or with --yes (weft reload, weft apply)";

} // namespace

std::optional<field_error>
missing_assurance(const node_config& from, const node_config& to) {
  if (to.interface.kill_switch && !from.interface.kill_switch)
    return field_error{"interface.kill_switch", std::string{"this"} + how};
  if (full_tunnel_of(to).any() && !full_tunnel_of(from).any())
    return field_error{"peers.default_route", std::string{"this"} + how};
  return std::nullopt;
}

} // namespace weft
