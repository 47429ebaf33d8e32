// Two hosts on networks of all kinds, for hours of virtual time.
#include "tests/catch.hpp"
#include "tests/sim/invariants.hpp"

namespace {

using namespace weft;
using namespace weft::test;

struct quiet_pair : pair_network {
  explicit quiet_pair(std::uint64_t seed) : pair_network(seed) {
    tracing = false;
  }
};

/// Whether the pair can talk: a packet each way within `patience`.
bool can_talk(quiet_pair& net, conversation& talk, duration patience) {
  const std::array before{talk.arrived(0), talk.arrived(1)};
  const auto end = net.now() + patience;
  while (net.now() < end) {
    talk.burst(0, 1);
    talk.burst(1, 1);
    net.run_for(1s);
    if (talk.arrived(0) > before[0] && talk.arrived(1) > before[1])
      return true;
  }
  return false;
}

} // namespace

TEST_CASE("On a network that loses nothing every packet arrives, for hours and "
          "over many handshakes") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    net.rule = weather_rule({.shortest = 1ms, .longest = 1ms}, seed);
    conversation talk(net, seed + 1000);
    talk.run(2h, 20s);
    net.run_for(1min);
    CHECK(talk.sound());
    CHECK(talk.arrived(0) == talk.sent(0));
    CHECK(talk.arrived(1) == talk.sent(1));
    for (auto who : {net.a, net.b}) {
      const auto& session = net.session(who);
      CHECK(session.sent().bytes == net.session(1 - who).received().bytes);
      CHECK(session.sent().packets == net.session(1 - who).received().packets);
      CHECK(session.drops()[drop_reason::queue_full] == 0);
      CHECK(session.drops()[drop_reason::unknown_index] == 0);
      CHECK(session.drops()[drop_reason::invalid_tag] == 0);
      CHECK(session.drops()[drop_reason::replayed] == 0);
    }
  }
}

TEST_CASE("Without loss every packet arrives although packets overtake each "
          "other") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    net.rule = weather_rule({.shortest = 1ms, .longest = 400ms}, seed);
    conversation talk(net, seed + 1000);
    talk.run(1h, 5s);
    net.run_for(1min);
    CHECK(talk.sound());
    // A message can overtake the one that makes its session known.
    const auto sent = talk.sent(0) + talk.sent(1);
    const auto lost = sent - talk.arrived(0) - talk.arrived(1);
    CHECK(lost * 100 < sent);
  }
}

TEST_CASE("Duplicated datagrams never deliver a packet twice") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    net.rule = weather_rule(
      {.duplicated = 1000, .shortest = 1ms, .longest = 1ms}, seed);
    conversation talk(net, seed);
    talk.run(30min, 5s);
    net.run_for(1min);
    CHECK(talk.sound());
    CHECK(talk.arrived(0) == talk.sent(0));
    CHECK(talk.arrived(1) == talk.sent(1));
    CHECK(net.session(net.a).drops()[drop_reason::replayed] > 0);
  }
}

TEST_CASE("With loss, duplicates, reordering and stragglers most packets "
          "arrive, none twice and none changed") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    net.rule = weather_rule({.lost = 100,
                             .duplicated = 50,
                             .shortest = 5ms,
                             .longest = 300ms,
                             .stalled = 20},
                            seed);
    conversation talk(net, seed);
    talk.run(1h, 3s);
    CHECK(talk.sound());
    const auto share = [&](std::size_t from) {
      return static_cast<double>(talk.arrived(from))
             / static_cast<double>(talk.sent(from));
    };
    CHECK(share(0) > 0.8);
    CHECK(share(1) > 0.8);
  }
}

TEST_CASE("After heavy loss and after an outage of any length the tunnel "
          "recovers") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    conversation talk(net, seed);
    deterministic_random random(seed);
    talk.run(1min, 3s);
    for (int outage = 0; outage < 10; ++outage) {
      net.rule = weather_rule(
        {.lost = outage % 2 == 0 ? 1000u : 800u, .longest = 2s}, seed);
      const auto length = std::chrono::seconds(random.below(600));
      if (outage % 3 == 0)
        net.run_for(length);
      else
        talk.run(length, 2s);
      net.rule = weather_rule({}, seed);
      // One retry is due after at most 5.333 s; 15 s more if both ends
      // believe in sessions that the other one has lost.
      REQUIRE(can_talk(net, talk, 25s));
    }
    CHECK(talk.sound());
  }
}

TEST_CASE("Handshakes that cross while the network loses, delays and repeats "
          "datagrams leave nothing behind that loses packets once it is "
          "perfect again") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    deterministic_random random(seed * 17);
    conversation talk(net, seed);
    net.rule = weather_rule(
      {.lost = static_cast<unsigned>(random.below(700)),
       .duplicated = static_cast<unsigned>(random.below(300)),
       .longest = std::chrono::milliseconds(50 + random.below(9000)),
       .stalled = 200},
      seed);
    // Both begin at once, and again and again.
    for (std::uint64_t rounds = 1 + random.below(6); rounds > 0; --rounds) {
      talk.burst(0, 1);
      talk.burst(1, 1);
      net.run_for(std::chrono::milliseconds(random.below(8000)));
    }
    net.rule = nullptr;
    for (int i = 0; i < 32; ++i) {
      talk.burst(0, 1);
      talk.burst(1, 1);
      net.run_for(500ms);
    }
    const std::array before{talk.sent(0), talk.sent(1)};
    for (int i = 0; i < 60; ++i) { // what was held back comes meanwhile
      talk.burst(0, 1);
      talk.burst(1, 1);
      net.run_for(1s);
    }
    CHECK(talk.arrived_since(0, before[0]) == 60);
    CHECK(talk.arrived_since(1, before[1]) == 60);
    CHECK(talk.sound());
  }
}

TEST_CASE(
  "One direction that loses everything for minutes leaves no trace once "
  "it is repaired") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    conversation talk(net, seed);
    talk.run(1min, 3s);
    const auto deaf = seed % 2;
    net.lose([deaf](const auto& message) { return message.from == deaf; });
    talk.run(std::chrono::seconds(20 * seed), 2s);
    net.lose_nothing();
    CHECK(can_talk(net, talk, 25s));
    CHECK(talk.sound());
  }
}

TEST_CASE("Idle hosts exchange nothing after the last keepalive, whatever "
          "happened before") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    net.rule = weather_rule(
      {.lost = 200, .duplicated = 50, .longest = 1s, .stalled = 10}, seed);
    conversation talk(net, seed);
    talk.run(10min, 4s);
    // Retries of handshakes may last for 90 s, keepalives 10 s.
    net.run_for(5min);
    net.datagrams_sent = 0;
    net.run_for(24h);
    CHECK(net.datagrams_sent == 0);
    CHECK_FALSE(net.next_deadline());
    CHECK(peer_session_access::keys(net.session(net.a)).empty());
    CHECK(peer_session_access::keys(net.session(net.b)).empty());
    CHECK(peer_session_access::staged(net.session(net.a)) == 0);
    CHECK(peer_session_access::staged(net.session(net.b)) == 0);
  }
}

TEST_CASE("A day of persistent keepalives takes one message in 25 s and a "
          "handshake every two minutes") {
  quiet_pair net(1);
  net.session(net.a).set_persistent_keepalive(25s, net.at(net.a));
  net.collect(net.a);
  net.run_for(24h);
  const auto handshakes = 24 * 3600 / 125;
  CHECK(net.datagrams_sent >= 24 * 3600 / 25);
  CHECK(net.datagrams_sent <= 24 * 3600 / 25 + 3 * (handshakes + 1));
  CHECK(net[net.b].keepalives >= 24 * 3600 / 25);
}

TEST_CASE("Hosts that restart, move, sleep and change clocks at random always "
          "find each other again") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    quiet_pair net(seed);
    net.rule = weather_rule({.lost = 20, .longest = 200ms}, seed);
    conversation talk(net, seed);
    deterministic_random random(seed * 31);
    for (int step = 0; step < 40; ++step) {
      CAPTURE(step);
      const auto who = random.below(2);
      auto& self = net[who];
      switch (random.below(5)) {
        case 0: // the other one learns it from the next packet
          if (who == 0)
            self.address = address_of(100 + random.below(100));
          else
            net.session(1 - who).set_endpoint(self.address);
          break;
        case 1:
          self.asleep = true;
          net.run_for(std::chrono::seconds(random.below(7200)));
          self.asleep = false;
          break;
        case 2:
          self.wall_error += std::chrono::seconds(random.below(20000)) - 10000s;
          break;
        case 3: // all sessions end
          net.session(who).set_identity(self.self());
          break;
        default:
          self.boot_error += std::chrono::seconds(random.below(1000));
      }
      talk.run(std::chrono::seconds(random.below(300)), 3s);
      REQUIRE(can_talk(net, talk, 40s));
    }
    CHECK(talk.sound());
  }
}

TEST_CASE("Equal seeds give equal runs") {
  auto run = [] {
    quiet_pair net(5);
    net.rule = weather_rule({.lost = 100, .longest = 1s}, 5);
    conversation talk(net, 5);
    talk.run(20min, 3s);
    return std::tuple(net.datagrams_sent, talk.arrived(0), talk.arrived(1),
                      net.session(0).sent().bytes);
  };
  CHECK(run() == run());
}
