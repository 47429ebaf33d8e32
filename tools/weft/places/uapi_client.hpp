// Asks the daemons of this host for their status, over their control sockets
// (`FOLDER/NAME.sock`).
#pragma once

#include "config/device_status.hpp"
#include "platform/error.hpp"

#include <string>
#include <vector>

namespace weft {

/// The interfaces that have a socket in `folder`, sorted.  None if the folder
/// does not exist.
result<std::vector<std::string>> list_interfaces(const std::string& folder);

/// The status of one interface.  Weft's daemon is asked for what only it
/// knows, and gives no secrets; other implementations for the protocol's `get`.
result<device_status>
query_interface(const std::string& folder, const std::string& name);

} // namespace weft
