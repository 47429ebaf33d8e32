// When a peer tells that it is up, and when that it is down.
#include "actors/loop/timer.hpp"
#include "tests/actors/tunnel.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// The peer at the left end is woken as it asks for.
struct timed_tunnel : tunnel {
  timed_tunnel() {
    begin({});
  }
  /// With what another one has left to it.
  void begin(const session_ended& last) {
    home.end(a.actor);
    auto settings = right.as_peer();
    settings.name = "beta";
    auto neighbours = left.neighbours();
    neighbours.timer = home.spawn<timer>(left.loop);
    a.actor = home.spawn<peer>(left.loop, left.space, neighbours, left.self, 5u,
                               last, settings);
    caf::anon_send(a.actor, peer_published{});
  }
  /// What it tells within this time, in which nobody answers it.
  std::vector<overlay_event> later(duration time) {
    home.advance(time);
    a.sent(home);
    return ups_and_downs(left);
  }
};

} // namespace

TEST_CASE_METHOD(timed_tunnel, "A peer is up with its first handshake, and not "
                               "with the next") {
  connect();
  const auto events = ups_and_downs(left);
  CHECK(kinds_in(events)
        == kinds_of{event_kind::handshake_completed, event_kind::peer_up});
  CHECK(events.back().peer == right.key());
  CHECK(events.back().peer_name == "beta");
  CHECK(events.back().endpoint == right.address);
  CHECK(events.back().when == loop.loop->wall());
  CHECK(later(120s).empty());
  connect(); // with a new session
  CHECK(kinds_in(ups_and_downs(left))
        == kinds_of{event_kind::handshake_completed});
}

TEST_CASE_METHOD(timed_tunnel, "A peer is down once no handshake came for long "
                               "enough, and up again with the next one") {
  connect();
  CHECK(later(179s).size() == 2);
  connect(); // from now on it counts
  CHECK(kinds_in(ups_and_downs(left))
        == kinds_of{event_kind::handshake_completed});
  CHECK(later(180s - 1ns).empty());
  const auto down = later(1ns);
  REQUIRE(kinds_in(down) == kinds_of{event_kind::peer_down});
  CHECK(down[0].peer == right.key());
  CHECK(down[0].peer_name == "beta");
  CHECK_FALSE(down[0].endpoint);
  CHECK(down[0].reason == "no handshake for 180 s");
  CHECK(down[0].when == loop.loop->wall());
  CHECK(later(1h).empty());
  connect();
  CHECK(kinds_in(ups_and_downs(left))
        == kinds_of{event_kind::handshake_completed, event_kind::peer_up});
}

TEST_CASE_METHOD(timed_tunnel, "A peer that began the session, and says no "
                               "more, goes down as any other") {
  caf::anon_send(b.actor, session_wanted{});
  CHECK(exchange(home, b, a) == types{initiation, response, transport});
  CHECK(later(180s - 1ns).size() == 2);
  CHECK(kinds_in(later(1ns)) == kinds_of{event_kind::peer_down});
}

TEST_CASE_METHOD(timed_tunnel, "A peer goes down 180 s after its handshake "
                               "also while the link is down") {
  connect();
  caf::anon_send(a.actor, change_identity{left.self, false});
  CHECK(later(180s - 1ns).size() == 2);
  CHECK(kinds_in(later(1ns)) == kinds_of{event_kind::peer_down});
}

TEST_CASE_METHOD(timed_tunnel, "The successor of a peer that was up goes down "
                               "when that one would have") {
  connect();
  later(100s);
  home.end(a.actor);
  const auto last = left.registry.take<session_ended>().back();
  begin(last);
  CHECK(later(80s - 1ns).empty());
  CHECK(kinds_in(later(1ns)) == kinds_of{event_kind::peer_down});
  // Also if that is over before there is one.
  begin(last);
  CHECK(kinds_in(later(0s)) == kinds_of{event_kind::peer_down});
}
