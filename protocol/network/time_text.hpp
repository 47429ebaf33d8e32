// Times of the network as people read them.
#pragma once

#include "protocol/network/ids.hpp"

#include <string>

namespace weft {

/// `2027-11-22 14:03`, UTC.
std::string format_time(network_time when);

} // namespace weft
