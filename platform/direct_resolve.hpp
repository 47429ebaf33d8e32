// Host names to endpoints, by questions of our own to name servers of our
// choice: where the host's resolver would ask through the tunnel.
#pragma once

#include "platform/error.hpp"
#include "protocol/base/ip.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

struct direct_lookup {
  std::vector<std::string> servers; ///< addresses; one may have a zone
  std::uint32_t mark = 0;           ///< of the questions' packets
};

/// All addresses of `host` with `port`, from /etc/hosts or the servers.  Those
/// that the host has a route to with the mark come first, and of them IPv6.
/// ENOENT: a server says that it has none.  Blocks, for half a minute at most:
/// never call it on an I/O loop.
result<std::vector<endpoint>>
resolve_host_directly(const std::string& host, std::uint16_t port,
                      const direct_lookup& how);

} // namespace weft
