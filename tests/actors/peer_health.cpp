// What a peer actor tells of its health, in reports, events and the log.
#include "actors/loop/timer.hpp"
#include "protocol/tunnel/trouble_words.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/node.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

using kinds_of = std::vector<event_kind>;

/// Two hosts, 10.0.0.1 and 10.0.0.2, that are each other's peer and wake as
/// they ask for.
struct watched_tunnel {
  watched_tunnel()
    : left(home, loop.loop, 1),
      right(home, loop.loop, 2), a{left, {}}, b{right, {}} {
    left.allow({{"10.0.0.2/32", 5}});
    right.allow({{"10.0.0.1/32", 9}});
    for (auto* host : {&left, &right})
      host->space->lines = std::make_shared<detail_log>(log, loop.loop);
    begin_a({});
    b.actor = spawn(right, 9, left, {});
  }
  peer_actor spawn(node& host, std::uint32_t slot, const node& other,
                   const session_ended& last) {
    auto settings = other.as_peer();
    settings.name = &host == &left ? "beta" : "";
    auto neighbours = host.neighbours();
    neighbours.timer = home.spawn<timer>(host.loop);
    auto made = home.spawn<peer>(host.loop, host.space, neighbours, host.self,
                                 slot, last, settings);
    caf::anon_send(made, peer_published{});
    return made;
  }
  void begin_a(const session_ended& last) {
    if (a.actor)
      home.end(a.actor);
    a.actor = spawn(left, 5, right, last);
  }
  void send(const tunnel_end& from, std::uint8_t from_host = 1) {
    const std::uint8_t to_host = &from == &a ? 2 : 1;
    caf::anon_send(from.actor,
                   outgoing_of({udp_packet(from_host, to_host, 9)}));
  }
  void connect() {
    send(a);
    exchange(home, a, b);
    CHECK(state(a).word == peer_word::up);
  }
  /// Traffic from `a` for this time, whose datagrams `deliver` carries.
  template <class Deliver>
  void steady(duration time, const Deliver& deliver) {
    for (duration passed{0}; passed < time; passed += 1s) {
      send(a);
      deliver();
      home.advance(1s);
    }
  }
  void steady_to_nobody(duration time) {
    steady(time, [this] { a.sent(home); });
  }
  void steady_to_b(duration time) {
    steady(time, [this] { exchange(home, a, b); });
  }
  peer_state state(const tunnel_end& end) {
    return end.report(home).status.state;
  }
  bool says(const tunnel_end& end, const std::string& text) {
    return state(end).reason.find(text) != std::string::npos;
  }
  std::vector<overlay_event> told(const tunnel_end& end) {
    end.host.events.settle();
    return end.host.events.take<overlay_event>();
  }

  world home{run_by::hand};
  test_loop loop = home.start_loop();
  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  std::shared_ptr<spdlog::logger> log
    = std::make_shared<spdlog::logger>("test", lines);
  node left;
  node right;
  tunnel_end a;
  tunnel_end b;
};

} // namespace

TEST_CASE_METHOD(watched_tunnel, "A peer to which traffic goes steadily, and "
                                 "that never answers, fails within 20 s, is "
                                 "given up after 90 s, and is told of once") {
  steady_to_nobody(8s);
  CHECK(state(a).word == peer_word::connecting);
  CHECK(told(a).empty());
  steady_to_nobody(10s);
  const auto failing = state(a);
  CHECK(failing.word == peer_word::failing);
  CHECK(failing.tries >= 3);
  CHECK(says(a, "no answer from 192.0.2.2:51820, "));
  auto events = told(a);
  REQUIRE(
    kinds_in(events)
    == kinds_of{event_kind::peer_state_changed, event_kind::peer_troubled});
  CHECK(events[0].reason.find("failing: no answer from 192.0.2.2:51820") == 0);
  CHECK(events[1].reason.find("no answer from 192.0.2.2:51820, 3 tries") == 0);
  CHECK(events[1].peer_name == "beta");
  steady_to_nobody(70s);
  CHECK(told(a).empty());
  steady_to_nobody(10s);
  events = told(a);
  REQUIRE(kinds_in(events) == kinds_of{event_kind::handshake_failed});
  CHECK(events[0].reason.find("no answer from") == 0);
  steady_to_nobody(102s);
  CHECK(kinds_in(told(a)) == kinds_of{event_kind::handshake_failed});
  CHECK(state(a).word == peer_word::failing);
  CHECK(state(a).since == failing.since);
}

TEST_CASE_METHOD(watched_tunnel, "A peer that answers again fails no more") {
  steady_to_nobody(20s);
  told(a);
  steady_to_b(10s);
  CHECK(state(a).word == peer_word::up);
  CHECK(state(a).reason.empty());
  auto events = told(a);
  REQUIRE(kinds_in(events)
          == kinds_of{event_kind::handshake_completed, event_kind::peer_up,
                      event_kind::peer_state_changed});
  CHECK(events.back().reason == "up");
}

TEST_CASE_METHOD(watched_tunnel, "A peer that is up and falls silent fails "
                                 "long before it is down") {
  connect();
  told(a);
  steady_to_nobody(30s);
  CHECK(state(a).word == peer_word::failing);
  CHECK(kinds_in(told(a))
        == kinds_of{event_kind::peer_state_changed, event_kind::peer_troubled});
}

TEST_CASE_METHOD(watched_tunnel, "Where preshared keys differ both sides say "
                                 "so within 15 s") {
  patch<peer_config> changes;
  changes.set(&peer_config::preshared_key,
              preshared_key{unhex_secret(std::string(64, '7'))});
  caf::anon_send(b.actor, changes);
  steady_to_b(3s);
  CHECK(says(a, "the answer from 192.0.2.2:51820 cannot be opened: the "
                "preshared keys differ, or one side has none"));
  CHECK(kinds_in(told(a)) == kinds_of{event_kind::peer_troubled});
  steady_to_b(12s);
  CHECK(state(a).word == peer_word::failing);
  CHECK(state(b).word == peer_word::failing);
  CHECK(says(b, "3 answers to its handshakes from 192.0.2.1:51820 were not "
                "used: the preshared keys differ"));
  // And no longer once they are the same.
  changes.set(&peer_config::preshared_key, preshared_key{});
  caf::anon_send(b.actor, changes);
  steady_to_b(10s);
  for (const auto* end : {&a, &b}) {
    CHECK(state(*end).word == peer_word::up);
    CHECK(state(*end).reason.empty());
  }
}

TEST_CASE_METHOD(watched_tunnel, "A peer that renews its session again and "
                                 "again stays up on both sides") {
  steady_to_b(400s);
  CHECK(state(a).word == peer_word::up);
  CHECK(state(b).word == peer_word::up);
  for (const auto* end : {&a, &b}) {
    for (const auto& event : told(*end)) {
      CHECK(event.kind != event_kind::peer_state_changed);
      CHECK(event.kind != event_kind::peer_troubled);
    }
  }
}

TEST_CASE_METHOD(watched_tunnel, "A refused source is told with its address, "
                                 "and the peer stays up") {
  connect();
  told(b);
  for (int i = 0; i < 20; ++i)
    send(a, 7);
  exchange(home, a, b);
  CHECK(state(b).word == peer_word::up);
  CHECK(says(b, "packets from 10.0.0.7 in its tunnel are refused"));
  CHECK(state(b).cause == cause::source_refused);
  const auto events = told(b);
  REQUIRE(kinds_in(events) == kinds_of{event_kind::peer_troubled});
  CHECK(events[0].reason.find("packets from 10.0.0.7") == 0);
}

TEST_CASE_METHOD(watched_tunnel, "Two machines with one key are told of with "
                                 "both addresses") {
  connect();
  told(b);
  for (int i = 0; i < 6; ++i) {
    left.address = endpoint_of(i % 2 == 0 ? "192.0.2.77:7" : "192.0.2.1:51820");
    send(a);
    for (const auto& sent : a.sent(home))
      carry(sent, left.address, right, b.actor);
  }
  CHECK(state(b).word == peer_word::up);
  CHECK(says(b, "two machines use its key"));
  CHECK(says(b, "192.0.2.77:7"));
  CHECK(says(b, "192.0.2.1:51820"));
  std::size_t troubles = 0;
  for (const auto& event : told(b))
    troubles += event.kind == event_kind::peer_troubled;
  CHECK(troubles == 1);
}

TEST_CASE_METHOD(watched_tunnel, "A clock that was set back is told of by who "
                                 "refuses its handshakes") {
  session_ended ahead;
  ahead.memory.last_stamp = loop.loop->wall() + 1h;
  begin_a(ahead);
  connect();
  begin_a({}); // an hour earlier
  told(b);
  steady_to_b(12s);
  CHECK(state(a).word == peer_word::failing);
  CHECK(says(b, "its handshakes from 192.0.2.1:51820 are 35"));
  CHECK(says(b, " s older than one before: set its clock"));
  CHECK(state(b).word == peer_word::up); // anybody can send old ones again
  CHECK(kinds_in(told(b)) == kinds_of{event_kind::peer_troubled});
}

TEST_CASE_METHOD(watched_tunnel, "A wrong key that is used where the peer is "
                                 "is told of, and changes no word") {
  caf::anon_send(b.actor, wrong_key_claimed{left.address});
  CHECK(state(b).word == peer_word::idle);
  CHECK(says(b, "192.0.2.1:51820 (claimed) uses a wrong public key"));
  CHECK(kinds_in(told(b)) == kinds_of{event_kind::peer_troubled});
}

TEST_CASE_METHOD(watched_tunnel,
                 "At `debug` there is a line for each handshake "
                 "message, by the peer's name or the first "
                 "characters of its key") {
  log->set_level(spdlog::level::debug);
  connect();
  CHECK(lines->count("peer beta: initiation sent to 192.0.2.2:51820") == 1);
  CHECK(lines->count("peer beta: response received from 192.0.2.2") == 1);
  const auto b_says = "peer " + to_string(left.key()).substr(0, 8) + "...: ";
  CHECK(lines->count(b_says + "initiation received from 192.0.2.1:51820") == 1);
  CHECK(lines->count(b_says + "response sent to 192.0.2.1:51820") == 1);
  send(a, 7);
  exchange(home, a, b);
  CHECK(lines->count("dropped") == 0);
  log->set_level(spdlog::level::trace);
  send(a, 7);
  exchange(home, a, b);
  CHECK(lines->count(b_says + "dropped 1 (wrong_source), 10.0.0.7 -> 10.0.0.2")
        == 1);
}

TEST_CASE_METHOD(watched_tunnel, "At `info` handshakes and drops leave no line "
                                 "of their own") {
  connect();
  send(a, 7);
  exchange(home, a, b);
  CHECK(lines->count("") == 0);
}

TEST_CASE_METHOD(watched_tunnel, "However much there is to tell at `trace`, "
                                 "lines are bounded, and what was left out is "
                                 "counted") {
  log->set_level(spdlog::level::trace);
  drop_log drops(left.space->lines, "here: ");
  const auto drop_many = [&] {
    loop.run([&] {
      for (unsigned i = 0; i < 2 * detail_log::burst; ++i)
        drops.dropped(drop_reason::no_route, 1, {});
    });
  };
  drop_many();
  CHECK(lines->count("here: dropped 1 (no_route)") == detail_log::burst);
  home.advance(1s);
  drop_many();
  CHECK(lines->count("here: ")
        == detail_log::burst + detail_log::lines_per_second);
  CHECK(lines->count("500 such lines were left out") == 1);
}
