// Which node a command is for, and how to get to it.
#pragma once

#include "tools/weft/places/contexts.hpp"

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace weft {

/// What all commands that steer a node have in common, as it was given.
struct connection_options {
  std::string interface;     ///< empty: the only one
  std::string socket_folder; ///< empty: default_control_folder
  std::string at;            ///< HOST:PORT; empty: on this host
  std::string certificate;
  std::string key;
  std::string ca;
  std::string server_name;
  std::string context;
  std::string contexts_file{}; ///< empty: default_contexts_path()
  std::string revocations{};
  std::chrono::seconds timeout{10};
  bool json = false;
};

inline constexpr auto default_control_folder = "/run/weft";

/// A node of this host.
struct local_node {
  std::string interface;
  std::string socket;

  bool operator==(const local_node&) const = default;
};

/// Those that have a control socket (`FOLDER/NAME.sock`), by name.  None if
/// there is no such folder.
outcome<std::vector<local_node>> list_local_nodes(const std::string& folder);

/// The one with this interface, whether it runs or not.
outcome<local_node>
find_local_node(const std::string& interface, const std::string& folder);

using node_place = std::variant<local_node, remote_node>;

/// `wg0` or `gw.example.org:7447`
std::string to_string(const node_place& place);

/// The remote node that `options` mean; nothing if they mean this host.
outcome<std::optional<remote_node>>
find_remote(const connection_options& options);

/// The node that `options` mean.  Whether somebody is there is found out by
/// whoever connects.
outcome<node_place> find_node(const connection_options& options);

} // namespace weft
