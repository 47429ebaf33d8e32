// Which peer a command means.
#pragma once

#include "config/device_status.hpp"
#include "tools/weft/places/node_connection.hpp"

#include <string>

namespace weft {

/// The key of the peer that `text` means among those of a node: by its name, or
/// by the beginning of its key (from four characters on, if only one peer's
/// begins so), perhaps with the dots that screens show behind it.
outcome<public_key>
find_peer_in(const device_status& status, const std::string& text);

/// The same; a whole key is taken as it is, whether a peer has it or not, and
/// the node is asked for its peers only if it must be.
outcome<public_key>
find_peer(const std::string& text, const node_connection& link);

} // namespace weft
