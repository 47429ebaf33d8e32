// What more than one actor is told or asked.  Every other message stands with
// the interface of who receives it.  They stay in this process; data is named
// by direction and noun, commands by verb and noun, facts in the past tense.
#pragma once

#include "config/device_status.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/drop_reason.hpp"
#include "protocol/tunnel/noise.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace weft {

class routes;
/// An immutable snapshot that the registry publishes: messages/routes.hpp.
using routes_ptr = std::shared_ptr<const routes>;

/// registry -> tun_reader, udp_port, stranger_port, handshake_gate: answered
/// once no packet is routed with an older snapshot any more.
struct routes_changed {
  routes_ptr snapshot;
};

/// overlay -> registry -> peers and gate: our key has changed (null: cleared),
/// or the link went up or down.  Sessions end.  Answered once nobody speaks as
/// the former one any more.
struct change_identity {
  std::shared_ptr<const identity> self;
  bool link_up = true;

  /// Whom we speak as: nobody while the link is down.
  std::shared_ptr<const identity> speaker() const {
    return link_up ? self : nullptr;
  }
};

/// udp_port -> peer: the local address of its path does not exist any more.
struct source_lost {};

/// overlay -> registry -> peers: routes or addresses of the host have changed.
/// Is the local address of the path still the right one?
struct host_routes_changed {};

/// Whoever waits for free batches: the TUN reader and the UDP socket.
struct batch_available {};

struct cookie_reply {
  cookie_reply_message message{};
  network_path path;
};

/// handshake_gate -> whom incoming_handshakes names (stranger_port may pass
/// them on to udp_port): cookie replies.
struct send_cookie_replies {
  std::vector<cookie_reply> replies;
};

/// handshake_gate -> whoever sent it incoming_handshakes: so many messages, and
/// so many remotes, have been looked at.
struct handshakes_processed {
  std::size_t messages = 0;
  std::size_t unknown = 0;
};

// -- hand-over: another process takes the overlay's place --------------------

struct named_descriptor;
using left_descriptors = std::shared_ptr<std::vector<named_descriptor>>;

/// overlay -> reader, udp_port, stranger_port, one after the other: take
/// nothing in any more.  Answered once all that was taken in is with who it is
/// for.  Duplicates of the descriptors, by their names, are added to `into`.
struct freeze {
  left_descriptors into;
};

/// overlay -> the same, gate and, through the registry, peers: nobody takes the
/// overlay's place, so go on.
struct thaw {};

/// overlay -> registry -> peers, which stand still: another process goes on
/// with the keys, so they are wiped here.  The registry answers once all are;
/// nobody is thawed after that.
struct forget_keys {
  /// What a peer lets go of then: the registry notices when all have.
  std::shared_ptr<const void> held{};
};

// -- reports -----------------------------------------------------------------

struct report_request {
  bool secrets = false;         ///< for the UAPI socket
  std::uint32_t first_peer = 0; ///< its slot, or the next one in use
  std::uint32_t max_peers = ~std::uint32_t{0};
  std::uint32_t max_prefixes = ~std::uint32_t{0}; ///< but one peer at least

  bool operator==(const report_request&) const = default;
};

/// What an actor has counted.
struct drop_report {
  drop_counters drops;
  std::optional<pool_use> pool; ///< that it reads into
  std::uint64_t send_queue = 0; ///< batches that wait for room in a socket
  std::vector<offload_use> offloads{}; ///< that it uses or not
  std::uint64_t lost = 0; ///< what came to its sockets, and was dropped there
  std::optional<core_use> cores{}; ///< of its lane; nothing: others tell that
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::routes_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::change_identity)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::source_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::host_routes_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::batch_available)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::send_cookie_replies)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::handshakes_processed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::freeze)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::thaw)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::forget_keys)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::report_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::drop_report)
