// In which order a peer's endpoints are tried.
#pragma once

#include "protocol/network/record.hpp"

#include <span>
#include <vector>

namespace weft {

/// Those on a link that this node has as well come first (`links`: addresses of
/// its own with the lengths of their networks), the others as the peer's record
/// has them.  Each once.
std::vector<endpoint>
order_candidates(std::span<const published_endpoint> published,
                 std::span<const ip_prefix> links);

} // namespace weft
