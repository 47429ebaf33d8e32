// What the network says of datagrams of peers, passed on to those whom it
// concerns.  No actor itself; used on one thread.
#pragma once

#include "messages/routes.hpp"
#include "platform/udp_socket.hpp"

#include <functional>
#include <map>
#include <vector>

namespace weft {

/// A send that fails names its peer.  An ICMP message, which anybody can forge,
/// counts only if it quotes a handshake that we began, by an index of ours; the
/// peer compares that with the handshake that is under way.  (An answer to
/// packets of a session explains nothing: if nobody hears them, a handshake
/// follows within 15 s.)  Either is told once a second for each endpoint.  That
/// a datagram was too big may be said of any; whose it was is for others to
/// find out.
class network_errors {
public:
  /// Endpoints that a failure was told of within the last second.  Of more,
  /// some are told of later.
  static constexpr std::size_t max_told = 256;

  /// Who hears of datagrams that were too big.
  struct narrow_paths {
    /// Whether it may be said of an endpoint: if not, it takes nobody's place
    /// among those that are told of.  Null: it may be said of any.
    std::function<bool(const endpoint&)> is_known;
    std::function<void(const path_too_narrow&)> tell; ///< null: nobody hears
  };
  network_errors() = default;
  explicit network_errors(narrow_paths narrow) : narrow_(std::move(narrow)) {
  }

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
  using times = std::map<endpoint, time_point>;
  static bool is_due(times& told, const endpoint& where, time_point now);
  void note_too_big(const network_error& error, time_point now);

  narrow_paths narrow_;
  routes_ptr routes_;
  std::vector<network_error> read_; ///< reused
  times told_;
  times told_too_big_;
};

} // namespace weft
