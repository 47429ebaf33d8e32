// A node goes on with the program that is on disk now.
#pragma once

#include "tools/weft/commands/commands.hpp"
#include "tools/weft/places/target.hpp"

namespace weft {

/// Has the program that is on disk now take the place of the one that runs,
/// with its sessions: systemd restarts it, or weftd --replace does.
int upgrade_node(const local_node& node, bool json, const streams& io);

} // namespace weft
