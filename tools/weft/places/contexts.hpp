// The file of nodes that are controlled from elsewhere: where they are, and
// with which certificate one shows up there.
#pragma once

#include "config/yaml.hpp"
#include "tools/weft/failure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// How a node is reached over the network.
struct remote_node {
  std::string host;
  std::uint16_t port = 0;
  std::string certificate; ///< PEM files
  std::string key;
  std::string ca;
  std::string server_name;   ///< that the node's certificate must have
  std::string revocations{}; ///< empty: a revoked node is not noticed

  bool operator==(const remote_node&) const = default;
};

/// `gw.example.org:7447`, `[2001:db8::1]:7447`
std::string to_string(const remote_node& node);

/// Reads `HOST:PORT` into a node; or what is wrong with it.
std::optional<std::string> set_place(std::string_view text, remote_node& into);

struct context {
  std::string name;
  remote_node node;

  bool operator==(const context&) const = default;
};

/// The context that means the nodes of this host.
inline constexpr std::string_view local_context = "local";

struct context_file {
  std::vector<context> contexts; ///< in the file's order
  std::string current;           ///< one of them, or empty

  const context* find(std::string_view name) const;
};

/// $WEFT_CONTEXTS, else ~/.config/weft/contexts.yaml.
std::string default_contexts_path();

/// Reads the text of a file; files that it names are relative to the folder of
/// `path`.
tl::expected<context_file, config_errors>
parse_contexts(std::string_view text, const std::string& path);

/// The same for a file.  All of its mistakes are in the message.
outcome<context_file> load_contexts(const std::string& path);

/// The context called `name`, or a failure that lists those that there are.
outcome<context> find_context(const context_file& file, const std::string& name,
                              const std::string& path);

/// The text of a contexts file with another current context (empty: none).
/// The rest stays as it is.
outcome<std::string>
with_current(std::string_view text, const std::string& path,
             std::string_view name);

} // namespace weft
