// Two nodes with a tunnel between them, for tests of peers.
#pragma once

#include "tests/actors/node.hpp"

namespace weft::test {

using types = std::vector<message_type>;
using kinds_of = std::vector<event_kind>;
inline constexpr auto initiation = message_type::initiation;
inline constexpr auto response = message_type::response;
inline constexpr auto transport = message_type::transport;

/// Two hosts, 10.0.0.1 and 10.0.0.2, that are each other's peer.
struct tunnel {
  tunnel()
    : left(home, loop.loop, 1),
      right(home, loop.loop, 2), a{left,
                                   left.spawn_peer(home, 5, right.as_peer())},
      b{right, right.spawn_peer(home, 9, left.as_peer())} {
    left.allow({{"10.0.0.2/32", 5}});
    right.allow({{"10.0.0.1/32", 9}});
  }

  void send(const tunnel_end& from, const std::vector<bytes>& packets) {
    caf::anon_send(from.actor, outgoing_of(packets));
  }
  /// Carries all, and returns what the end's host received meanwhile.
  std::vector<bytes> received_by(const tunnel_end& end) {
    exchange(home, a, b);
    return end.host.delivered.take<bytes>();
  }
  void connect() {
    send(a, {udp_packet(1, 2, 50)});
    REQUIRE(received_by(b).size() == 1);
  }
  std::uint64_t drops(const tunnel_end& end, drop_reason reason) {
    return end.report(home).drops[reason];
  }

  world home{run_by::hand};
  test_loop loop = home.start_loop();
  node left;
  node right;
  tunnel_end a;
  tunnel_end b;
};

} // namespace weft::test
