#include "actors/host/automatic_mtu.hpp"

#include "config/interface_checks.hpp"
#include "platform/route_mtu.hpp"

#include <algorithm>

namespace weft {

namespace {

/// Headers of the outer packet with IPv6, of its message, and the tag.
constexpr std::uint32_t overhead = 80;
constexpr std::uint32_t least = 576;
constexpr std::uint32_t most = 65535;

/// Peers whose routes are asked for: each costs some 20 us.
constexpr std::size_t most_asked = 1024;

} // namespace

std::optional<chosen_mtu> choose_mtu(std::span<const ip_address> peers,
                                     bool has_ipv6, const route_room& room) {
  std::optional<std::uint32_t> smallest;
  const ip_address* narrow = nullptr;
  for (const auto& peer : peers) {
    const auto found = room(peer);
    if (found && (!smallest || *found < *smallest)) {
      smallest = found;
      narrow = &peer;
    }
  }
  if (!smallest)
    return std::nullopt;
  const auto left = *smallest - std::min(*smallest, overhead);
  return chosen_mtu{std::clamp(left, has_ipv6 ? least_ipv6_mtu : least, most),
                    "the route to " + to_string(*narrow) + " has "
                      + std::to_string(*smallest)};
}

std::optional<chosen_mtu>
choose_mtu(std::span<const ip_address> peers, bool has_ipv6,
           std::uint32_t fwmark, int own_interface) {
  auto finder = route_mtu_finder::open(fwmark);
  return choose_mtu(
    peers.first(std::min(peers.size(), most_asked)), has_ipv6,
    [&](const ip_address& peer) -> std::optional<std::uint32_t> {
      if (!finder)
        return std::nullopt;
      const auto found = finder->find(peer);
      if (!found || found->interface_index == own_interface)
        return std::nullopt;
      return found->mtu;
    });
}

bool carries_ipv6(const interface_config& config,
                  const peer_networks& networks) {
  const auto any_ipv6 = [](const std::vector<ip_prefix>& prefixes) {
    return std::ranges::any_of(prefixes, [](const ip_prefix& each) {
      return !each.address.is_v4();
    });
  };
  return any_ipv6(config.addresses) || any_ipv6(config.cluster_networks)
         || any_ipv6(networks.allowed) || networks.all.v6;
}

std::vector<ip_address> configured_addresses(const node_config& config) {
  std::vector<ip_address> addresses;
  for (const auto& peer : config.peers) {
    if (const auto where = numeric_of(peer.endpoint))
      addresses.push_back(where->address);
  }
  return addresses;
}

} // namespace weft
