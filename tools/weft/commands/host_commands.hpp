// The commands that units and weftd run, for what takes more than a node may.
#pragma once

#include "tools/weft/commands/commands.hpp"

#include <string>

namespace weft {

struct host_options {
  std::string node;   ///< its name
  std::string config; ///< its file; empty: /etc/weft/NODE.yaml
  std::string unit;   ///< of systemd, that runs it; empty: none
};

/// Does what the node's file asks of the host.
int host_up(const host_options& options, const streams& io);

/// Sets again what of that is missing, and runs no commands.
int host_renew(const host_options& options, const streams& io);

/// Has the node's process ($MAINPID) leave its sessions to the next one, if
/// the unit is being restarted.
int host_leave(const host_options& options, const streams& io);

/// Undoes it, whether there is such a file or not.  Nothing, if the process of
/// a unit that is being restarted has left its sessions ($EXIT_STATUS).
int host_down(const host_options& options, const streams& io);

/// Does it, renews it and undoes it as standard input says, where weftd writes
/// (tools/host_guard.hpp).
int host_guard(const host_options& options, const streams& io);

} // namespace weft
