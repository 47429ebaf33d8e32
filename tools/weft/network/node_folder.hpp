// The folder of a node that has joined a network (/var/lib/weft/NODE/network),
// for commands.
#pragma once

#include "actors/network/member_folder.hpp" // IWYU pragma: export

namespace weft {

/// Takes away what makes the folder's node a member: keys, certificates,
/// secrets.  What is not the network's stays.
void forget_membership(const node_folder& folder);

/// The time in whole seconds.
network_time network_now();

} // namespace weft
