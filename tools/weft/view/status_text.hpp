// The status of a device as a table for people, and as JSON for programs.
// Neither shows a private or a preshared key.
#pragma once

#include "config/device_status.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Columns that tables keep within, unless a terminal has more.
inline constexpr std::size_t table_width = 80;

/// Of tables for a terminal with so many columns, or (nothing) for a pipe or a
/// file, where nothing is wrapped or cut.
inline std::size_t width_for(std::optional<std::size_t> columns) {
  constexpr auto any = std::numeric_limits<std::size_t>::max();
  return columns ? std::max(*columns, table_width) : any;
}

/// Orders peers for people: by name, those without one last and by key.
void sort_peers(device_status& status);

/// How a peer is called: its name, else the start of its key.
std::string peer_label(const std::string& name, const public_key& key);
inline std::string peer_label(const peer_status& peer) {
  return peer_label(peer.name, peer.public_key);
}

/// The age of a peer's last handshake at `now`: `1m4s ago`.
std::string handshake_age(const peer_status& peer, wall_time now);

struct table_options {
  bool verbose = false; ///< also sessions, packets, and what was dropped why
  std::size_t width = table_width; ///< that or more
};

/// The device's own lines, then each peer with its state, endpoint, age of the
/// last handshake at `now`, bytes in and out, what stands in its way, and
/// allowed IPs.  Only allowed IPs, names and endpoints that alone are wider
/// exceed the width.
std::string format_table(const device_status& status, wall_time now,
                         const table_options& options = {});

/// A line for each peer, in at most `width` columns if that is table_width or
/// more: name, state and since when, age of the last handshake, bytes in and
/// out, endpoint, what stands in its way.  If that is too wide, the last goes
/// below the peer, and bytes and age are left out where they must.  IPv6
/// endpoints and names that are still too long are cut in the middle, but no
/// two names to the same.
std::string format_peers(const device_status& status, wall_time now,
                         std::size_t width = table_width);

/// All devices as a JSON array, indented, with a newline at the end.
std::string format_json(const std::vector<device_status>& devices);

/// The peers of a device, as a JSON array.
std::string format_peers_json(const device_status& status);

} // namespace weft
