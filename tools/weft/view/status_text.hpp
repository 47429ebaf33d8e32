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

/// How a peer is called: its name, else the start of its key.
std::string peer_label(const std::string& name, const public_key& key);
inline std::string peer_label(const peer_status& peer) {
  return peer_label(peer.name, peer.public_key);
}

/// The age of a peer's last handshake at `now`: `1m4s ago`.
std::string handshake_age(const peer_status& peer, wall_time now);

/// The device's own lines, then each peer with endpoint, age of the last
/// handshake at `now`, bytes in and out, and allowed IPs.  `verbose`: also the
/// age of the session, packets, and what was dropped why.  Only allowed IPs,
/// names and endpoints that alone are wider exceed the table's width.
std::string
format_table(const device_status& status, wall_time now, bool verbose = false);

/// A line for each peer, in at most `width` columns if that is table_width or
/// more: name, age of the last handshake, bytes in and out if there is room,
/// endpoint.  Names that are too long are cut.
std::string format_peers(const device_status& status, wall_time now,
                         std::size_t width = table_width);

/// All devices as a JSON array, indented, with a newline at the end.
std::string format_json(const std::vector<device_status>& devices);

/// The peers of a device, as a JSON array.
std::string format_peers_json(const device_status& status);

} // namespace weft
