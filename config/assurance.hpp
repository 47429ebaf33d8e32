// Changes that a mistake in can cut a host off, so that nobody makes them by
// the way.
#pragma once

#include "config/patch.hpp"
#include "config/validate.hpp"

#include <optional>

namespace weft {

/// What of the change from one to the other sends the whole traffic of the host
/// another way, or nowhere (default_route, kill_switch is switched on), and how
/// that is assured.  Nothing: it does not.
std::optional<field_error>
missing_assurance(const node_config& from, const node_config& to);

/// False: whatever the node is like, the change of this peer is no such one.
bool may_need_assurance(const patch<peer_config>& change);

} // namespace weft
