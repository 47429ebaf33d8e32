// The YAML file of a node with what was changed while it ran.
#pragma once

#include "config/file_source.hpp"
#include "config/node_config.hpp"
#include "config/yaml.hpp"

#include <tl/expected.hpp>

#include <functional>
#include <string>
#include <vector>

namespace weft {

/// A key that goes to a file of its own, beside the configuration.
struct new_key_file {
  std::string name; ///< relative to the configuration's folder
  secret<key_size> key;
};

/// What a file has to become.
struct yaml_edit {
  std::string text; ///< to be wiped: keys may be in it
  std::vector<new_key_file> keys;
  /// Paths of key files that it names, and will name no longer.
  std::vector<std::string> key_files_left;
  std::string digest; ///< of the file that was read
  std::string edited; ///< the digest it will have
  node_config before; ///< what it says
  node_config after;  ///< what it will say
};

/// Whether a file of this name is there already, beside the configuration.
using name_taken = std::function<bool(const std::string& name)>;

/// Changes the text of the file at `path` in as few places as it takes to have
/// it say `running`.  What no command changes is not looked at: how the node is
/// steered, and what stays as it is until a restart.  Keys that are new go to
/// files of their own.
///
/// What was written is read again before it is given out; what cannot be
/// changed so that it says just that is refused, with the reason.
tl::expected<yaml_edit, std::string>
edit_yaml(const std::string& path, const file_source& files,
          const node_config& running, const name_taken& taken);

} // namespace weft
