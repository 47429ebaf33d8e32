// The running daemon: an overlay, until a signal or its end.
#pragma once

#include "config/node_config.hpp"
#include "platform/hand_over.hpp"
#include "platform/process.hpp"

#include <string>
#include <vector>

namespace weft {

struct daemon_options {
  node_config config;
  bool configure_link = true;
  std::string file;        ///< that `config` was read from; empty: none
  std::string file_digest; ///< of that
  /// For what outlives the process, in a folder for each interface; empty:
  /// $STATE_DIRECTORY, else /var/lib/weft; `none`: nothing does.
  std::string state_folder;
  std::string user; ///< to act as; empty: as whom it was started
  bool filter_system_calls = false;
  bool replaces = false;      ///< the node of this interface that runs now
  bool needs_guardian = true; ///< what takes root is nobody else's to do
  /// Without one: a file that whoever does it watches, to be told that
  /// something of it is missing; empty: there is none.
  std::string helper_file;
  std::vector<named_descriptor> passed; ///< by a service manager
  /// The file has mistakes: `config` is what a node before has left of its own.
  bool only_goes_on = false;
};

/// Runs until SIGINT or SIGTERM, or until the interface is lost; returns the
/// exit code.  Calls `background.ready()`, if given, once everything works.
int run_daemon(daemon_options options, background* parent);

} // namespace weft
