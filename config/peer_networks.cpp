#include "config/peer_networks.hpp"

#include <algorithm>
#include <utility>

namespace weft {

peer_networks networks_of(const interface_config& interface,
                          std::span<const peer_config> peers) {
  network_collector collector{interface.routes};
  for (const auto& peer : peers)
    collector.add(peer.default_route, peer.allowed_ips);
  return collector.take();
}

peer_networks network_collector::take() {
  auto& allowed = found_.allowed;
  std::ranges::sort(allowed);
  allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  return std::exchange(found_, {});
}

bool may_change_networks(const patch<peer_config>& change) {
  return change.verb == peer_verb::remove || change.replace_allowed_ips
         || !change.allowed_ips.empty()
         || change.find(&peer_config::default_route) != nullptr;
}

} // namespace weft
