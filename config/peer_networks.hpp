// What the peers ask of the host: where it is to send what is for them.
#pragma once

#include "config/full_tunnel.hpp"
#include "config/patch.hpp"

#include <span>
#include <vector>

namespace weft {

struct peer_networks {
  /// To be led into the tunnel, ascending, each once; of length 0 none.
  std::vector<ip_prefix> allowed;
  full_tunnel all; ///< the families of which all else is, too

  bool operator==(const peer_networks&) const = default;
};

peer_networks networks_of(const interface_config& interface,
                          std::span<const peer_config> peers);

/// The same, from peer to peer.
class network_collector {
public:
  explicit network_collector(route_mode routes) : routes_(routes) {
  }
  /// `allowed`: prefixes that the configuration states.
  template <class Prefixes>
  void add(bool default_route, const Prefixes& allowed) {
    full_tunnel stated;
    for (const ip_prefix& prefix : allowed) {
      if (prefix.length == 0)
        stated |= family_of(prefix);
      else if (routes_ == route_mode::automatic)
        found_.allowed.push_back(prefix);
    }
    found_.all |= all_that_goes_to(default_route, stated, routes_);
  }
  /// All together; nothing is left here.
  peer_networks take();

private:
  route_mode routes_;
  peer_networks found_;
};

/// Whether what the peers ask of the host may be something else after it.
bool may_change_networks(const patch<peer_config>& change);

} // namespace weft
