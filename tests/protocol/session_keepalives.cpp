#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

} // namespace

TEST_CASE_METHOD(pair_network, "Who receives data and has nothing to send "
                               "answers with a keepalive after 10 s") {
  establish();
  run_for(10s);
  trace.clear();
  send_packet(a);
  run_for(20ms + 9999ms);
  CHECK(keepalives(b) == 0);
  run_for(1ms);
  CHECK(keepalives(b) == 1);
  CHECK(trace.back().content.size() == 32);
}

TEST_CASE_METHOD(pair_network, "A keepalive is not answered") {
  establish();
  run_for(10s);
  trace.clear();
  session(a).set_persistent_keepalive(1000s, at(a));
  collect(a);
  CHECK(keepalives(a) == 1);
  run_for(60s);
  CHECK(trace.size() == 1);
}

TEST_CASE_METHOD(pair_network, "Who sends data within 10 s needs no "
                               "keepalive") {
  establish();
  for (int i = 0; i < 10; ++i) {
    send_packet(a);
    run_for(5s);
    send_packet(b);
    run_for(5s);
  }
  CHECK(keepalives(b) == 0);
  CHECK(keepalives(a) == 0);
}

TEST_CASE_METHOD(pair_network, "Data that comes all the time is answered with "
                               "a keepalive every 10 s") {
  establish();
  for (int i = 0; i < 1000; ++i) {
    send_packet(a);
    run_for(100ms);
  }
  CHECK(keepalives(b) >= 9);
  CHECK(keepalives(b) <= 10);
  CHECK(initiations(a) == 0);
}

TEST_CASE_METHOD(pair_network, "Idle peers exchange nothing after the last "
                               "keepalive") {
  const auto both = GENERATE(false, true);
  send_packet(a);
  if (both)
    send_packet(b);
  run_for(5s);
  send_packet(a);
  run_for(30s);
  trace.clear();
  run_for(100h);
  CHECK(trace.empty());
  CHECK_FALSE(next_deadline());
}

TEST_CASE_METHOD(pair_network, "Idle peers exchange nothing after a burst in "
                               "both directions either") {
  establish();
  for (int i = 0; i < 50; ++i) {
    send_packet(a);
    send_packet(b);
    send_packet(b);
    run_for(73ms);
  }
  const auto last = now();
  run_for(10h);
  CHECK(trace.back().when - last <= 10s);
  CHECK(keepalives(a) + keepalives(b) <= 2);
}

TEST_CASE_METHOD(pair_network, "A session that carried nothing sends nothing") {
  establish();
  run_for(10h);
  CHECK(trace.empty());
}

TEST_CASE_METHOD(pair_network, "A persistent keepalive starts the session at "
                               "once and then comes in its interval") {
  session(a).set_persistent_keepalive(25s, at(a));
  collect(a);
  CHECK(initiations(a) == 1);
  run_for(10s);
  CHECK(session(b).session_created());
  trace.clear();
  run_for(1000s);
  // 40, and one that confirms each new session.
  CHECK(keepalives(a) >= 36);
  CHECK(keepalives(a) <= 40 + initiations(a));
  CHECK(initiations(a) <= 9);
  CHECK(keepalives(b) == 0);
}

TEST_CASE_METHOD(pair_network, "A persistent keepalive is put off by anything "
                               "that is sent or received") {
  establish();
  session(a).set_persistent_keepalive(25s, at(a));
  collect(a);
  run_for(5s);
  trace.clear();
  for (int i = 0; i < 7; ++i) {
    send_packet(a);
    run_for(9s);
    send_packet(b);
    run_for(4s);
  }
  CHECK(keepalives(a) == 0);
  run_for(22s);
  CHECK(keepalives(a) == 1); // the passive one
}

TEST_CASE_METHOD(pair_network, "A persistent keepalive keeps the session alive "
                               "for hours") {
  session(a).set_persistent_keepalive(25s, at(a));
  collect(a);
  for (int i = 0; i < 600; ++i) {
    run_for(60s);
    REQUIRE(session(b).session_created());
    REQUIRE(now() - *session(b).session_created() < 180s);
    trace.clear();
  }
  send_packet(b);
  CHECK(initiations(b) == 0);
  run_for(1s);
  CHECK(received(a) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A persistent keepalive goes on trying while "
                               "the peer is away for hours") {
  session(a).set_persistent_keepalive(25s, at(a));
  lose_all();
  collect(a);
  run_for(3h);
  lose_nothing();
  run_for(30s);
  CHECK(session(b).session_created());
}

TEST_CASE_METHOD(pair_network, "A persistent keepalive that is switched off "
                               "stops") {
  session(a).set_persistent_keepalive(1s, at(a));
  collect(a);
  run_for(10s);
  CHECK(keepalives(a) >= 9);
  session(a).set_persistent_keepalive(0s, at(a));
  collect(a);
  trace.clear();
  run_for(1h);
  CHECK(trace.empty());
}

TEST_CASE_METHOD(pair_network, "A persistent keepalive takes a new interval at "
                               "once, and sends only when switched on") {
  session(a).set_persistent_keepalive(3600s, at(a));
  collect(a);
  run_for(10s);
  trace.clear();
  session(a).set_persistent_keepalive(5s, at(a));
  collect(a);
  CHECK(trace.empty());
  CHECK(session(a).persistent_keepalive() == 5s);
  run_for(5s);
  CHECK(keepalives(a) == 1);
}

TEST_CASE("A persistent keepalive that was set before the endpoint is known "
          "begins once it is known") {
  network net;
  net.add_host();
  net.add_host();
  auto& session = net[0].add_peer(net[1]);
  net[1].add_peer(net[0]);
  session.set_persistent_keepalive(25s, net.at(0));
  net.collect(0);
  net.run_for(100s);
  CHECK(net.trace.empty());
  session.set_endpoint(net[1].address);
  net.run_for(26s);
  CHECK(net[1].peer().session_created());
}

TEST_CASE("A persistent keepalive that had nowhere to go goes to the first "
          "endpoint at once") {
  network net;
  net.add_host();
  net.add_host();
  auto& session = net[0].add_peer(net[1]);
  net[1].add_peer(net[0]);
  session.set_persistent_keepalive(25s, net.at(0));
  net.run_for(3s);
  REQUIRE(net.trace.empty());
  session.redirect(net[1].address, net.at(0));
  net.collect(0);
  net.run_for(1s);
  CHECK(net[1].peer().session_created());
}
