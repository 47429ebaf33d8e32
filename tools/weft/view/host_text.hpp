// What a node needs of its host, in words.
#pragma once

#include "config/device_status.hpp"

#include <string>
#include <vector>

namespace weft {

/// How many of all are in place, and what is not.  Empty: the node needs
/// nothing.
std::vector<std::string> host_lines(const std::vector<host_item>& items);

} // namespace weft
