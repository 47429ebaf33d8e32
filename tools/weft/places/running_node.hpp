// What a node is configured to be, secrets included where one may see them.
#pragma once

#include "messages/control.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/places/node_connection.hpp"

namespace weft {

/// With all peers, and without secrets.
outcome<node_configuration> ask_configuration(const node_connection& link);

/// Adds the secrets.  weft's own socket gives none out: they come from that of
/// wg(8) on this host, which only root can use.
outcome<void> add_secrets(node_configuration& to);

} // namespace weft
