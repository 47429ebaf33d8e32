// A node that is a unit of a service manager goes on in a process that it
// starts itself, within the unit and its sandbox: weft upgrade.
#pragma once

#include "tools/weftd/replacement.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weft {

/// Gives the node's place to no process but the one that it starts, with these
/// words, when somebody who is root or the node's own user asks for it
/// (upgrade_request).  The service manager is told which process goes on.
result<std::unique_ptr<place_giver>>
open_for_own_successor(const std::string& socket,
                       std::vector<std::string> words);

} // namespace weft
