// Where a node of a network has its files on this host.
#pragma once

#include "config/node_config.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/network/node_folder.hpp"

#include <string>

namespace weft {

/// What was said of it; empty: as usual.
struct place_options {
  std::string interface; ///< the node's name on this host; the network's
  std::string config;    ///< file; /etc/weft/INTERFACE.yaml
  std::string state;     ///< folder; $STATE_DIRECTORY, or /var/lib/weft
};

struct network_place {
  std::string interface;
  std::string config; ///< absolute
  node_folder folder;
  std::string store;    ///< of a directory: its folder
  std::string issuer;   ///< folder of an issuer
  bool is_usual = true; ///< where units look for it
};

/// For the states of all nodes.
std::string state_folder_of(const place_options& options);

/// Of a new node of `network`.
outcome<network_place>
place_of(const place_options& options, const std::string& network);

/// A node that is a member already.
struct member_node {
  std::string file;
  node_config config;

  node_folder folder() const;
  /// Its issuer's socket for root, and its directory's.
  std::string issuer_socket() const;
  std::string directory_socket() const;
  /// Whether a directory of this network is to be on this host.
  bool is_directory() const {
    return config.directory.listen.has_value();
  }
  /// That of the issuer that its directory has.
  std::string issuer_folder() const;
};

/// The one that was said, or else the only one of this host that is a member
/// of a network.
outcome<member_node> find_member_node(const place_options& options);

} // namespace weft
