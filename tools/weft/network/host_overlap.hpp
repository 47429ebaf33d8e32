// Whether a network's ranges are this host's already, and ranges that are not.
#pragma once

#include "platform/host_networks.hpp"
#include "protocol/base/random.hpp"
#include "tools/weft/failure.hpp"

#include <optional>
#include <span>
#include <string>

namespace weft {

/// A clause that names a range which holds an address of this host, or which
/// overlaps with what it has a route to; nothing: there is none.  A default
/// route, and what leads through `own` (the node's own interface), is passed
/// over.
std::optional<std::string>
overlap_of(std::span<const ip_prefix> ranges,
           std::span<const host_network> present, const std::string& own);

/// The same of this host, with what comes of it.  A host that cannot be asked
/// has none: that is not the way to find out.
std::optional<std::string>
find_host_overlap(std::span<const ip_prefix> ranges, const std::string& own);

/// Ranges for a network that overlap with nothing of `present` but default
/// routes: a /16 of IPv4's private addresses (RFC 1918; of RFC 6598's, if none
/// of those is free), and a /48 of IPv6's unique local ones (RFC 4193).  Both
/// are drawn, so that other hosts seldom have them.  Less than two: nothing is
/// free in that family.
std::vector<ip_prefix>
draw_free_ranges(std::span<const host_network> present, random_source& random);

} // namespace weft
