// Whether a network's ranges are this host's already.
#pragma once

#include "platform/host_networks.hpp"
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

/// The same of this host, with what to do.  A host that cannot be asked has
/// none: that is not the way to find out.
std::optional<std::string>
find_host_overlap(std::span<const ip_prefix> ranges, const std::string& own);

} // namespace weft
