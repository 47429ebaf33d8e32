// What must hold between the peers of a configuration, whatever its format.
#pragma once

#include "config/node_config.hpp"
#include "config/yaml_tree.hpp"

#include <functional>

namespace weft {

/// Where a file says something of one peer.
struct peer_places {
  text_place public_key;
  text_place name;
  std::vector<text_place> allowed_ips; ///< one for each of the peer's
  text_place default_route{};
};

/// Called with the index of a peer, what it is about, its place, and the
/// message.
enum class peer_part { public_key, name, allowed_ips, default_route };
using peer_complaint = std::function<void(
  std::size_t peer, peer_part part, text_place place, std::string message)>;

/// Complains of peers with equal keys, equal names, an identical prefix, of two
/// that all traffic goes to, and of a peer with the node's own key.  Keys that
/// are zero were not read, and are left out.  `peer_label` names a peer in
/// messages: `peers[3]`.
void check_peers(const node_config& config,
                 const std::vector<peer_places>& places,
                 const std::function<std::string(std::size_t)>& peer_label,
                 const peer_complaint& complain);

} // namespace weft
