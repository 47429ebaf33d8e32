// What a node answers and tells, as lines for people and as JSON.
#pragma once

#include "messages/control.hpp"

#include <string>

namespace weft {

/// `2 peers added, 1 changed`, then each note in a line of its own.
std::string format_changes(const config_changes& changes, bool json);

/// `2023-11-14T22:13:20.123Z`
std::string format_time(wall_time time);

/// One line: time, kind, peer, endpoint, reason.
std::string format_event(const overlay_event& event, bool json);

/// One line of the same shape about the connection that events come through:
/// `connection_lost` or `connected`.
std::string format_connection(const std::string& kind, wall_time when,
                              const std::string& reason, bool json);

} // namespace weft
