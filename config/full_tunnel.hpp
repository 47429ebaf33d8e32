// Whether the host's whole traffic goes through the tunnel.
#pragma once

#include "config/node_config.hpp"

namespace weft {

/// The families that do: as `default_route` of a peer says, or allowed IPs of
/// length 0 with `routes: auto` (in a table of the user's own they are routes
/// like any other).
struct full_tunnel {
  bool v4 = false;
  bool v6 = false;

  bool any() const {
    return v4 || v6;
  }
};

full_tunnel full_tunnel_of(const node_config& config);

} // namespace weft
