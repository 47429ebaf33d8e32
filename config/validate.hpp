// A configuration that did not come from a file, checked as one that did.
#pragma once

#include "config/patch.hpp"

#include <optional>
#include <string>

namespace weft {

/// What is wrong with a field, and what would be right.
struct field_error {
  std::string field; ///< `peers[3].allowed_ips[0]`
  std::string message;
};

/// The first thing that is wrong; nothing if all is well.  A private key of
/// zeros is allowed: none is set.
std::optional<field_error> validate(const node_config& config);

/// The same for one peer by itself; fields begin with `peer.`.
std::optional<field_error> validate(const peer_config& peer);

/// The same for the offloads; fields begin with `offloads.`.
std::optional<field_error> validate(const offload_config& offloads);

/// The same for what changes of a peer.
std::optional<field_error> validate(const patch<peer_config>& change);

} // namespace weft
