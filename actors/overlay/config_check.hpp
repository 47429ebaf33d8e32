// A configuration file of this host, looked at without running it.
#pragma once

#include "actors/overlay/config_files.hpp"

#include <optional>
#include <string>

namespace weft {

struct checked_config {
  std::optional<node_config> config; ///< nothing: the file has mistakes
  config_errors mistakes;
  config_errors warnings; ///< what it runs with, but should be looked at

  /// Whether it may be used; `strict`: warnings are mistakes, too.
  bool is_fine(bool strict) const {
    return mistakes.empty() && (!strict || warnings.empty());
  }
};

/// Reads a file and all that it names: key files, certificates, the group.
checked_config
check_file(const std::string& path, pipe_patience patience = short_patience);

/// `FILE:LINE:COLUMN: warning: path.of.key: message`
std::string warning_text(const config_error& warning);

} // namespace weft
