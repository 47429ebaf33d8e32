// Where the node at the other end of a tunnel can be asked.
#pragma once

#include "config/device_status.hpp"
#include "tools/weft/places/target.hpp"

#include <optional>
#include <string>

namespace weft {

struct other_end {
  node_place place;
  connection_options options;
  bool is_guess = false; ///< nobody has said that it can be reached so
};

/// The node at the context, or with the interface on this host, that is called
/// `named`; else (empty) at the context that is called as the peer is; else,
/// with a session, inside the tunnel: at the peer's own address, with the
/// certificate and the port of the contexts in use, if the node there proves to
/// have the peer's name.  Nothing: nobody knows where it is.
outcome<std::optional<other_end>>
find_other_end(const connection_options& ours, const std::string& named,
               const peer_status& peer);

} // namespace weft
