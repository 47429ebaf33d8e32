// The lock of this host (kill_switch), set and lifted without a node.
#pragma once

#include "tools/weft/commands/commands.hpp"

#include <string>

namespace weft {

struct lock_options {
  std::string name;        ///< of the node: its file is /etc/weft/NAME.yaml
  std::string config_file; ///< empty: that one
  bool all = false;        ///< to be lifted
  bool json = false;
};

/// Sets the lock that a file wants, if it wants one.
int lock_host(const lock_options& options, const streams& io);

/// Lifts the lock of an interface, or all.
int unlock_host(const lock_options& options, const streams& io);

/// Says which interfaces are locked besides those of nodes that answer, or of
/// `only`, if it is not empty, whether it is.  Only root can know, so that
/// others are told nothing.
void warn_of_locks(const std::vector<std::string>& answering,
                   const std::string& only, const streams& io);

} // namespace weft
