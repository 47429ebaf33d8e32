// What a node needs of its host, in words.
#pragma once

#include "config/device_status.hpp"

#include <string>
#include <vector>

namespace weft {

/// `the route 10.0.0.0/8 is missing`, `the MTU is 1300 instead of 1420`
std::string host_trouble(const host_item& item);

/// How many of all are in place, and what is not.  Empty: the node needs
/// nothing.
std::vector<std::string> host_lines(const std::vector<host_item>& items);

} // namespace weft
