// Which peer of a node a command means.
#pragma once

#include "protocol/base/keys.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/places/node_connection.hpp"

#include <string>

namespace weft {

/// The key of a peer that is given by key or by name.
outcome<public_key>
find_peer(const std::string& peer, const node_connection& link);

} // namespace weft
