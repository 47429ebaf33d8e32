// The YAML file of a node.
#pragma once

#include "config/file_source.hpp"
#include "config/node_config.hpp"

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// One mistake: where it is, what is wrong, and what would be right.
struct config_error {
  std::string file;
  int line = 0;    ///< from 1; 0: the whole file
  int column = 0;  ///< from 1
  std::string key; ///< `peers[2].endpoint`
  std::string message;
};

/// `FILE:LINE:COLUMN: path.of.key: message`
std::string to_string(const config_error& error);

using config_errors = std::vector<config_error>;

/// Larger files are refused.
inline constexpr std::size_t max_config_size = std::size_t{64} << 20;

/// Whether a configuration may come without a private key.  It is for a node
/// that has one, then, and keeps it.
enum class private_key_rule { required, optional };

/// Reads and validates a file, with the key files that it names.  A key that
/// stands in a file which others can change is an error; `warnings`, if given,
/// gets what is no mistake but should be put right.
/// (actors/overlay/config_files.hpp has the same for this host's files.)
tl::expected<node_config, config_errors>
load_yaml(const std::string& path, const file_source& files,
          private_key_rule rule = private_key_rule::required,
          std::vector<std::string>* warnings = nullptr);

/// The same for text; `path` is for messages and for relative file names.
tl::expected<node_config, config_errors>
parse_yaml(std::string_view text, const std::string& path,
           const file_source& files,
           private_key_rule rule = private_key_rule::required);

/// A node's configuration as YAML that parse_yaml() reads.  Keys are in it,
/// those that are not zero: write it only where its owner alone can read.
std::string format_yaml(const node_config& config);

} // namespace weft
