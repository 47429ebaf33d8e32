// In which order a peer's endpoints are tried.
#pragma once

#include "protocol/network/record.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

/// Where this node is.
struct own_addresses {
  std::vector<ip_prefix> links; ///< with the lengths of their networks
  std::uint16_t port = 0;       ///< of its tunnel; 0: not known
};

/// Those on a link that this node has as well come first, the others as the
/// peer's record has them.  Each once.  What is an address of this node itself
/// (bridges of containers and virtual machines are the same on many hosts)
/// comes last, as another tunnel on this host may be meant, and not at all with
/// this tunnel's own port.
std::vector<endpoint>
order_candidates(std::span<const published_endpoint> published,
                 const own_addresses& own);

} // namespace weft
