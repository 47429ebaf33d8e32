// `weft status`: nodes, as they describe themselves by control messages.
#pragma once

#include "config/device_status.hpp"
#include "tools/weft/places/target.hpp"

#include <functional>

namespace weft {

struct status_options {
  std::string interface; ///< empty: all
  std::string socket_folder = default_control_folder;
  bool json = false;
  bool verbose = false;
};

/// Asks a node.
using status_query = std::function<outcome<device_status>(const node_place&)>;

/// Prints the status of this host's nodes.
int show_status(const status_options& options, const status_query& ask,
                const streams& io);

/// The same for a node elsewhere.
int show_remote_status(const remote_node& node, const status_options& options,
                       const status_query& ask, const streams& io);

} // namespace weft
