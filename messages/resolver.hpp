// The resolver: what it is told and asked.
#pragma once

#include "messages/registry.hpp"

namespace weft {

/// registry -> resolver: look up a host name for a peer.
struct resolve_endpoint {
  weft::public_key peer;
  host_endpoint host;
  registry_actor asker;
  std::chrono::seconds retry_after{2}; ///< if it is not found
};

/// A look-up's thread -> resolver.
struct lookup_finished {
  host_endpoint host;
  std::vector<weft::endpoint> found; ///< empty: see `error`
  std::string error;
  std::vector<std::string> servers{}; ///< that were asked beside the tunnel
  bool none_exists = false;           ///< as a server says, not for want of one
};

/// overlay -> resolver: how names are looked up from now on.
struct lookup_way {
  /// By questions of our own to the servers of the host's links, as those of
  /// its resolver would go through the tunnel, which waits for the answer, or
  /// nowhere.
  bool beside_tunnel = false;
  std::uint32_t mark = 0;            ///< that leads beside the tunnel
  std::vector<std::string> within{}; ///< servers in the tunnel, and domains
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::resolve_endpoint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::lookup_finished)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::lookup_way)

namespace weft {

/// Looks up host names.
using resolver_actor = caf::typed_actor<
  // the answer goes to whoever asks, as a message of its own
  caf::reacts_to<resolve_endpoint>, caf::reacts_to<lookup_finished>,
  caf::reacts_to<lookup_way>>;

} // namespace weft
