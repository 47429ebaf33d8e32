// What the network says of datagrams of peers, passed on to those whom it
// concerns.  No actor itself; used on one thread.
#pragma once

#include "messages/routes.hpp"
#include "platform/udp_socket.hpp"

#include <map>
#include <vector>

namespace weft {

/// A send that fails names its peer.  An ICMP message, which anybody can forge,
/// counts only if it quotes a handshake that we began, by an index of ours; the
/// peer compares that with the handshake that is under way.  (An answer to
/// packets of a session explains nothing: if nobody hears them, a handshake
/// follows within 15 s.)  Either is told once a second for each endpoint.
class network_errors {
public:
  /// Endpoints that a failure was told of within the last second.  Of more,
  /// some are told of later.
  static constexpr std::size_t max_told = 256;

  void set_routes(routes_ptr snapshot) {
    routes_ = std::move(snapshot);
  }
  /// Lets go of everything; to be called when the owner ends.
  void clear() {
    routes_.reset();
  }

  /// Reads what has come to `socket`, which is watched on this thread.
  void read(udp_socket& socket, time_point now);
  /// Nothing was sent to `peer`, which may be null.
  void send_failed(const peer_actor& peer, const endpoint& where, int code,
                   time_point now);

private:
  bool is_due(const endpoint& where, time_point now);

  routes_ptr routes_;
  std::vector<network_error> read_; ///< reused
  std::map<endpoint, time_point> told_;
};

} // namespace weft
