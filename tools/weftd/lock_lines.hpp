// What the log says of the lock (`kill_switch`) before a node and after it.
#pragma once

#include "config/node_config.hpp"

#include <spdlog/logger.h>

#include <string>

namespace weft {

/// Whether the host is locked: then nothing leaves it while there is no node,
/// which is said.
bool tell_lock(const std::string& interface, spdlog::logger& log);

/// Whether a node before has left the host locked; what else it has left goes.
bool find_lock(const interface_config& interface, spdlog::logger& log);

/// The node has locked a host that was not: whoever had lifted the lock sees
/// that it is back.
void tell_new_lock(const std::string& interface, spdlog::logger& log);

} // namespace weft
