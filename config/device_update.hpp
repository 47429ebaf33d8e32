// A change to a running device: what UAPI `set=1` says, what the difference
// of two configurations comes to, and what control clients ask for.
#pragma once

#include "config/patch.hpp"

namespace weft {

/// Who says that a peer is to exist.
enum class peer_origin : std::uint8_t {
  file,    ///< the configuration that the node was started with, or reloads
  command, ///< wg, weft, or a program that steers the node
  network, ///< what other nodes have told
};

struct device_update {
  std::optional<weft::private_key> private_key; ///< all zero: cleared
  std::optional<std::uint16_t> listen_port;     ///< 0: the kernel chooses
  std::optional<std::uint32_t> fwmark;
  bool replace_peers = false;
  std::vector<patch<peer_config>> peers;     ///< in order
  peer_origin origin = peer_origin::command; ///< of the peers that it makes

  bool operator==(const device_update&) const = default;
};

} // namespace weft
