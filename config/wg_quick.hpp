// wg-quick(8) files: [Interface] and [Peer] sections.
#pragma once

#include "config/yaml.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft {

struct imported_config {
  node_config config;
  /// What was left out (PostUp, SaveConfig ...), as warnings with their places.
  config_errors ignored;
  std::vector<std::string> commands; ///< that were: `PostUp = COMMAND`
};

/// Comments for the end of the YAML file that say which commands were left out,
/// and why; empty if none were.
std::string comment_on_commands(const imported_config& imported);

/// The UDP port of a service's name, as /etc/services has it.
using service_port
  = std::function<std::optional<std::uint16_t>(const std::string& name)>;

/// Reads a wg-quick or wg file.  `interface_name` as wg-quick takes it from
/// the file's name.  Without `find_port` ports are numbers.
tl::expected<imported_config, config_errors>
import_wg_quick(std::string_view text, const std::string& path,
                const std::string& interface_name,
                const service_port& find_port = {});

/// The same configuration for wg-quick.
std::string export_wg_quick(const node_config& config);

} // namespace weft
