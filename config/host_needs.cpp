#include "config/host_needs.hpp"

#include "config/full_tunnel.hpp"

namespace weft {

bool needs_root(const node_config& config) {
  const auto& interface = config.interface;
  return full_tunnel_of(config).v4 || needs_accepted_marks(config)
         || !interface.dns.empty() || !interface.on_up.empty()
         || !interface.on_down.empty();
}

bool needs_accepted_marks(const node_config& config) {
  const auto& interface = config.interface;
  return interface.kill_switch && interface.keep_inbound
         && full_tunnel_of(config).any();
}

} // namespace weft
