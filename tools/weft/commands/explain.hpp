// `weft explain`: what is wrong with a peer, on which side, and what to do.
#pragma once

#include "config/device_status.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/places/node_connection.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace weft {

struct explain_options {
  std::string peer;     ///< public key, or name
  bool is_here = false; ///< the node is one of this host
  /// How long an answer to the handshake is waited for: its first repetition
  /// comes after 5 s.
  std::chrono::milliseconds patience{6000};
  /// The status of the node at the other end; nothing: nobody knows where to
  /// ask for it.
  std::function<std::optional<outcome<device_status>>(const peer_status&)>
    other;
};

/// Prints what is found.  Exits with exit_fine if all is well, else with
/// exit_failure.
int explain_peer(const explain_options& options, const node_connection& link,
                 const streams& io);

} // namespace weft
