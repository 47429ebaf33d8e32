// The YAML file of a node that has joined a network, with comments that say
// what is what.
#pragma once

#include "config/network_config.hpp"
#include "tools/weft/network/node_folder.hpp"

#include <optional>
#include <string>

namespace weft {

struct node_yaml {
  std::string interface; ///< and the node's own name
  std::string file;      ///< that the text is for
  endpoint listen;       ///< of the tunnel
  joined_node who;
  node_folder folder;
  network_config network;                    ///< directories, endpoints
  std::optional<directory_config> directory; ///< nothing: it is none
};

std::string format_node_yaml(const node_yaml& node);

} // namespace weft
