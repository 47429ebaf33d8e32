// wg-quick(8) files: [Interface] and [Peer] sections.
#pragma once

#include "config/yaml.hpp"

namespace weft {

struct imported_config {
  node_config config;
  /// Keys of the file that weft has no equivalent for (PostUp, Table, DNS ...),
  /// as warnings with their places.
  config_errors ignored;
};

/// Reads a wg-quick or wg file.  `interface_name` as wg-quick takes it from
/// the file's name.
tl::expected<imported_config, config_errors>
import_wg_quick(std::string_view text, const std::string& path,
                const std::string& interface_name);

/// The same configuration for wg-quick.
std::string export_wg_quick(const node_config& config);

} // namespace weft
