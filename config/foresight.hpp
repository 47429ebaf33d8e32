// What a change of the configuration would do, in words.
#pragma once

#include "config/node_config.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

struct foreseen_changes {
  /// No more sentences than this: the rest is counted in the last one.
  static constexpr std::size_t most_sentences = 1000;

  std::uint32_t peers_added = 0;
  std::uint32_t peers_changed = 0;
  std::uint32_t peers_removed = 0;
  std::vector<std::string> sentences; ///< one a key that changes
};

/// From the running configuration to another one.  Secrets are said to change,
/// never shown.
foreseen_changes
foresee_changes(const node_config& from, const node_config& to);

/// Of one mode a sentence, if it changes: `offloads.udp: auto -> off`
std::vector<std::string>
describe_change(const offload_config& from, const offload_config& to);

} // namespace weft
