// What a node needs of its host that a process with CAP_NET_ADMIN alone cannot
// do.
#pragma once

#include "config/node_config.hpp"

namespace weft {

/// Whether somebody has to do a part as root: DNS servers, commands, and what a
/// full tunnel needs of links (platform/source_marks.hpp).
bool needs_root(const node_config& config);

/// Whether what answers connections from outside has to bear a mark from the
/// beginning: a lock's full tunnel leads nowhere once the node was killed.
bool needs_accepted_marks(const node_config& config);

} // namespace weft
