// What `mtu: auto` comes to: the room that the routes to the peers leave.
#pragma once

#include "actors/host/host_plan.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace weft {

struct chosen_mtu {
  /// As long as no route to a peer was ever known: what fits into 1500 bytes.
  static constexpr std::uint32_t usual = 1420;

  std::uint32_t mtu = usual;
  std::string reason; ///< of what it follows, for the log

  bool operator==(const chosen_mtu&) const = default;
};

/// The room that the route to an address has; nothing: there is no route, or it
/// leads into the tunnel.
using route_room
  = std::function<std::optional<std::uint32_t>(const ip_address&)>;

/// The smallest route's room to any of `peers`, less what the tunnel adds: 1280
/// at least if the interface has IPv6, else 576.  Nothing: no route is known,
/// for the moment at least.
std::optional<chosen_mtu> choose_mtu(std::span<const ip_address> peers,
                                     bool has_ipv6, const route_room& room);

/// The same by this host's routes for packets with the tunnel's mark.  Of very
/// many peers some are asked for.  `own_interface` is the tunnel's; 0: there is
/// none yet.
std::optional<chosen_mtu>
choose_mtu(std::span<const ip_address> peers, bool has_ipv6,
           std::uint32_t fwmark, int own_interface);

/// Whether IPv6 goes into the tunnel: by the interface's addresses, or by what
/// is led there, as a default route may do.
bool carries_ipv6(const interface_config& config,
                  const peer_networks& networks);

/// The addresses of the peers' endpoints, as far as they are configured.
std::vector<ip_address> configured_addresses(const node_config& config);

} // namespace weft
