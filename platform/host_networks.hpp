// Where this host can send, and which addresses are its own.
#pragma once

#include "platform/error.hpp"
#include "protocol/base/ip.hpp"

#include <string>
#include <vector>

namespace weft {

struct host_network {
  ip_prefix network;
  std::string interface; ///< the first, if there are several ways
  bool is_own = false;   ///< an address, or more of them, of this host

  auto operator<=>(const host_network&) const = default;
};

/// What the main and the local table of this network namespace lead to, of both
/// families and whoever made it, without what leads nowhere; ascending, each
/// once.
result<std::vector<host_network>> list_host_networks();

} // namespace weft
