// The status of a device as a table for people, and as JSON for programs.
// Neither shows a private or a preshared key.
#pragma once

#include "config/device_status.hpp"

#include <string>
#include <vector>

namespace weft {

/// Columns that the table keeps within.
inline constexpr std::size_t table_width = 80;

/// Orders peers for people: by name, those without one last and by key.
void sort_peers(device_status& status);

/// How a peer is called in the table: its name, else the start of its key.
std::string peer_label(const peer_status& peer);

/// The device's own lines, then each peer with endpoint, age of the last
/// handshake at `now`, bytes in and out, and allowed IPs.  Only allowed IPs,
/// names and endpoints that alone are wider exceed the table's width.
std::string format_table(const device_status& status, wall_time now);

/// All devices as a JSON array, indented, with a newline at the end.  What
/// only weft's own daemon states (MTU, packets, restarts, drops) is null for
/// other implementations' devices.
std::string format_json(const std::vector<device_status>& devices);

} // namespace weft
