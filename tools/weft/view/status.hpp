// `weft status`: running interfaces, of whatever implementation.
#pragma once

#include "config/device_status.hpp"
#include "tools/weft/places/target.hpp"

#include <functional>

namespace weft {

struct status_options {
  std::string interface; ///< empty: all
  std::string socket_folder = "/var/run/wireguard";
  bool json = false;
  bool verbose = false;
  std::string control_folder = default_control_folder;
};

/// Asks a node by weft's own protocol.
using control_query = std::function<outcome<device_status>(const node_place&)>;

/// Prints the status of this host's interfaces.  They are asked through
/// WireGuard's sockets, and by weft's own where those cannot be used, or first
/// of all if `verbose`.
int show_status(const status_options& options, const control_query& ask,
                const streams& io);

/// The same for a node elsewhere.
int show_remote_status(const remote_node& node, const status_options& options,
                       const control_query& ask, const streams& io);

} // namespace weft
