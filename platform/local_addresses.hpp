// The addresses of this host's links, in this network namespace.
#pragma once

#include "platform/error.hpp"
#include "protocol/base/ip.hpp"

#include <string>
#include <vector>

namespace weft {

struct local_address {
  ip_prefix address; ///< with its host bits
  std::string interface;

  auto operator<=>(const local_address&) const = default;
};

/// Those that others may reach: of links that are up, without loopback,
/// link-local and multicast ones.  In the order of interfaces.
result<std::vector<local_address>> list_local_addresses();

} // namespace weft
