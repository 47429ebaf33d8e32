// Configurations from this host's files: config/ understands them, platform/
// reads them.
#pragma once

#include "config/file_config.hpp"
#include "config/file_source.hpp"
#include "config/values.hpp"
#include "config/yaml.hpp"
#include "platform/files.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// The files of this host.
file_source host_files(pipe_patience patience = short_patience);

/// The bytes of a configuration file, or what is wrong with it.  Reading stops
/// behind max_config_size, so the result may be one byte too long.  Keys may be
/// in it.
tl::expected<std::string, std::string>
read_config_text(const std::string& path,
                 pipe_patience patience = short_patience);

/// Reads and validates a file, with the key files that it names.  `warnings`,
/// if given, gets what is no mistake but should be put right.
tl::expected<node_config, config_errors>
load_yaml(const std::string& path,
          private_key_rule rule = private_key_rule::required,
          std::vector<std::string>* warnings = nullptr,
          pipe_patience patience = short_patience);

/// The same, with the digest of all that was read.
tl::expected<file_config, config_errors>
load_yaml_with_digest(const std::string& path,
                      std::vector<std::string>* warnings = nullptr);

/// The same for text; `path` is for messages and for relative file names.
tl::expected<node_config, config_errors>
parse_yaml(std::string_view text, const std::string& path,
           private_key_rule rule = private_key_rule::required);

/// The key in a file that nobody but its owner can read.  `name` is as written
/// in the configuration, relative to `folder`.
value_or_message<secret<key_size>>
read_key_file(std::string_view name, const std::filesystem::path& folder);

} // namespace weft
