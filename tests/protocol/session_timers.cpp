#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

#include <set>

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;
using access = peer_session_access;

/// When each initiation of `from` was sent.
std::vector<time_point>
initiation_times(const pair_network& net, std::size_t from) {
  std::vector<time_point> times;
  for (const auto& sent : net.trace)
    if (sent.type() == message_type::initiation && sent.from == from)
      times.push_back(sent.when);
  return times;
}

} // namespace

TEST_CASE("An unanswered initiation is repeated every 5 s and up to 333 ms "
          "more, for 90 s, and then the packets are dropped") {
  std::set<duration> pauses;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    pair_network net(seed);
    net.lose_all();
    net.send_packet(net.a);
    CHECK(peer_session_access::staged(net.session(net.a)) == 1);
    const auto start = net.now();
    net.run_for(1h);
    const auto times = initiation_times(net, net.a);
    REQUIRE(times.size() == 19);
    for (std::size_t i = 1; i < times.size(); ++i) {
      const auto pause = times[i] - times[i - 1];
      CHECK(pause >= 5s);
      CHECK(pause <= 5333ms);
      pauses.insert(pause);
    }
    CHECK(times.back() - start >= 90s);
    CHECK(times.back() - start <= 96s);
    CHECK(peer_session_access::staged(net.session(net.a)) == 0);
    CHECK(net.session(net.a).drops()[drop_reason::handshake_failed] == 1);
    CHECK_FALSE(access::has_pending(net.session(net.a)));
  }
  // The jitter is random, and all of it is used.
  CHECK(pauses.size() > 300);
  CHECK(*pauses.begin() < 5010ms);
  CHECK(*pauses.rbegin() > 5323ms);
}

TEST_CASE_METHOD(pair_network, "Each repeated initiation is a new one") {
  lose_all();
  send_packet(a);
  run_for(60s);
  std::set<bytes> ephemerals;
  std::set<std::uint32_t> indices;
  for (const auto& sent : trace) {
    ephemerals.insert({sent.content.begin() + 8, sent.content.begin() + 40});
    indices.insert(load_le<std::uint32_t>(sent.content.data() + 4));
  }
  CHECK(trace.size() > 10);
  CHECK(ephemerals.size() == trace.size());
  CHECK(indices.size() == trace.size());
}

TEST_CASE_METHOD(pair_network, "A new packet after the handshake was given up "
                               "starts another") {
  lose_all();
  send_packet(a);
  run_for(200s);
  trace.clear();
  lose_nothing();
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{2});
}

TEST_CASE_METHOD(pair_network, "What is left of a handshake is wiped when it "
                               "is given up") {
  lose_all();
  send_packet(a);
  run_for(89s);
  CHECK(access::has_pending(session(a)));
  run_for(13s);
  CHECK(session(a).handshakes_given_up() == 1);
  CHECK_FALSE(access::has_pending(session(a)));
}

TEST_CASE("A peer that does not answer is given up after 90 s however steady "
          "the traffic to it is, and then tried again") {
  for (const auto pause : {20ms, 300ms, 1000ms, 5001ms}) {
    CAPTURE(pause.count());
    pair_network net;
    net.lose_all();
    const auto start = net.now();
    while (net.session(net.a).handshakes_given_up() < 3) {
      net.send_packet(net.a);
      net.run_for(pause);
      REQUIRE(net.now() - start < 330s);
    }
    CHECK(net.now() - start >= 270s);
    CHECK(initiation_times(net, net.a).size() >= 3 * 18);
  }
}

TEST_CASE_METHOD(pair_network, "Being woken counts for nothing while a "
                               "handshake goes on, and leads nowhere but to "
                               "where the peer was said to be") {
  const auto configured = (*this)[b].address;
  lose_all();
  session(a).wake(configured, at(a));
  collect(a);
  CHECK(initiations(a) == 1);
  for (int i = 0; i < 1'000 && session(a).handshakes_given_up() == 0; ++i) {
    session(a).wake(configured, at(a));
    collect(a);
    run_for(100ms);
  }
  CHECK(session(a).handshakes_given_up() == 1);
  CHECK(initiations(a) == 19);
  const auto times = initiation_times(*this, a);
  duration longest{0};
  for (std::size_t i = 1; i < times.size(); ++i)
    longest = std::max(longest, times[i] - times[i - 1]);
  CHECK(longest > 5150ms); // only the timer repeats it
  // The peer has moved meanwhile.
  trace.clear();
  run_for(100s);
  session(a).set_endpoint(address_of(77));
  session(a).wake(configured, at(a));
  collect(a);
  CHECK(trace.empty());
  // It is there again, and there is a session.
  lose_nothing();
  session(a).set_endpoint(configured);
  establish();
  session(a).wake(configured, at(a));
  collect(a);
  CHECK(trace.empty());
}

TEST_CASE_METHOD(pair_network, "As long as packets are sent a handshake is "
                               "tried") {
  lose_all();
  for (int i = 0; i < 300; ++i) {
    send_packet(a);
    run_for(1s);
  }
  const auto times = initiation_times(*this, a);
  CHECK(times.size() >= 300 / 6);
  CHECK(now() - times.back() <= 6s);
}

TEST_CASE_METHOD(pair_network, "The link comes back during the retries: the "
                               "waiting packet arrives with the next one") {
  lose_all();
  send_packet(a);
  run_for(62s);
  lose_nothing();
  run_for(6s);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network,
                 "When nothing comes back for 15 s after data was "
                 "sent, a new handshake starts") {
  establish();
  lose_all();
  const auto sent = now();
  send_packet(a);
  send_packet(a);
  run_for(30s);
  const auto times = initiation_times(*this, a);
  REQUIRE_FALSE(times.empty());
  CHECK(times[0] - sent >= 15s);
  CHECK(times[0] - sent <= 15333ms);
}

TEST_CASE_METHOD(pair_network, "The 15 s count from the first packet that was "
                               "not answered, not from the last") {
  establish();
  lose_all();
  const auto first = now();
  for (int i = 0; i < 20; ++i) {
    send_packet(a);
    run_for(1s);
  }
  const auto times = initiation_times(*this, a);
  REQUIRE_FALSE(times.empty());
  CHECK(times[0] - first <= 15333ms);
}

TEST_CASE_METHOD(pair_network, "Anything authentic that comes back within 15 s "
                               "prevents the new handshake") {
  establish();
  send_packet(a);
  run_for(60s); // b sends a keepalive after 10 s
  CHECK(initiations(a) == 0);
  CHECK(keepalives(b) == 1);
}

TEST_CASE_METHOD(pair_network, "Keepalives that are lost do not start a "
                               "handshake: only data expects an answer") {
  establish();
  lose_all();
  session(a).set_persistent_keepalive(3s, at(a));
  collect(a);
  run_for(100s);
  CHECK(keepalives(a) > 30);
  CHECK(initiations(a) == 0);
}

TEST_CASE_METHOD(pair_network, "A repeated initiation lets the host choose the "
                               "source address anew") {
  establish();
  REQUIRE(session(a).path()->local);
  lose_all();
  send_packet(a);
  run_for(14900ms);
  CHECK(session(a).path()->local);
  run_for(500ms);
  CHECK_FALSE(session(a).path()->local);
  CHECK(session(a).path()->remote == (*this)[b].address);
}

TEST_CASE_METHOD(pair_network, "Each retry of a handshake lets the host choose "
                               "the source address anew") {
  establish();
  run_for(10s);
  lose_all();
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(4s);
  CHECK(session(a).path()->local);
  run_for(2s);
  CHECK(initiations(a) == 2);
  CHECK_FALSE(session(a).path()->local);
}

TEST_CASE_METHOD(pair_network, "All keys are wiped 540 s after the last "
                               "handshake") {
  const auto start = now();
  establish();
  run_until(start + 539s);
  CHECK_FALSE(access::keys(session(a)).empty());
  CHECK_FALSE(access::keys(session(b)).empty());
  run_until(start + 541s);
  CHECK(access::keys(session(a)).empty());
  CHECK(access::keys(session(b)).empty());
  CHECK_FALSE(session(a).session_created());
  CHECK_FALSE(next_deadline());
}

TEST_CASE_METHOD(pair_network, "Keys of a handshake that was never completed "
                               "are wiped as well") {
  lose([](const auto& message) {
    return message.type() != message_type::initiation;
  });
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(100s);
  CHECK_FALSE(access::keys(session(b)).empty());
  run_for(600s);
  CHECK(access::keys(session(a)).empty());
  CHECK(access::keys(session(b)).empty());
  CHECK_FALSE(access::has_pending(session(a)));
  CHECK_FALSE(next_deadline());
}

TEST_CASE_METHOD(pair_network, "Wiping old keys does not break a handshake "
                               "that is under way") {
  const auto start = now();
  establish();
  run_until(start + 539'990ms);
  send_packet(a); // the response comes after the wiping
  run_for(1s);
  CHECK(initiations(a) == 1);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "Deadlines that are handled too early or twice "
                               "do nothing") {
  establish();
  send_packet(a);
  run_for(1s);
  const auto due = *session(b).next_deadline();
  for (auto early : {time_point(0s), now(), due - 1ns})
    session(b).handle_deadlines({early, at(b).wall});
  CHECK_FALSE(session(b).has_transmit());
  CHECK(session(b).next_deadline() == due);
  session(b).handle_deadlines({due, at(b).wall});
  CHECK(session(b).has_transmit());
  const auto next = session(b).next_deadline();
  session(b).handle_deadlines({due, at(b).wall});
  CHECK(session(b).next_deadline() == next);
}

// -- clocks that jump ---------------------------------------------------------

TEST_CASE_METHOD(pair_network, "A host that slept for hours recovers with one "
                               "handshake") {
  const auto hours = GENERATE(1, 5, 24 * 30);
  const auto data_was_sent = GENERATE(false, true);
  establish();
  if (data_was_sent) { // so that all timers are set
    session(a).set_persistent_keepalive(25s, at(a));
    send_packet(a);
    send_packet(b);
    run_for(1s);
    send_packet(a);
  }
  (*this)[a].asleep = true;
  run_for(std::chrono::hours(hours));
  (*this)[a].asleep = false;
  trace.clear();
  const auto before = received(b).size();
  send_packet(a);
  run_for(1s);
  CHECK(initiations(a) + initiations(b) == 1);
  CHECK(received(b).size() == before + 1);
  run_for(20s);
  CHECK(initiations(a) + initiations(b) == 1);
}

TEST_CASE_METHOD(pair_network, "A wall clock that is set back does not lock "
                               "the host out") {
  establish();
  (*this)[a].wall_error = -3h;
  for (int i = 0; i < 10; ++i) {
    run_for(200s);
    send_packet(a);
    run_for(1s);
    CHECK(received(b).size() == static_cast<std::size_t>(i + 1));
  }
  CHECK(session(b).drops()[drop_reason::replayed_handshake] == 0);
}

TEST_CASE_METHOD(pair_network, "A wall clock that is set forward and back "
                               "again does no harm") {
  establish();
  for (auto error : {48h, 0h, -48h, 10000h, -10000h}) {
    (*this)[a].wall_error = error;
    run_for(200s);
    const auto before = received(b).size();
    send_packet(a);
    run_for(1s);
    CHECK(received(b).size() == before + 1);
  }
}

TEST_CASE_METHOD(pair_network, "A monotonic clock that jumps forward recovers "
                               "with one handshake") {
  establish();
  send_packet(a);
  send_packet(b);
  run_for(1s);
  (*this)[a].boot_error = 7h;
  trace.clear();
  run_for(1s);
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1, 2});
  CHECK(initiations(a) + initiations(b) == 1);
}

TEST_CASE_METHOD(pair_network, "A monotonic clock that goes backwards does not "
                               "cut the host off") {
  const auto back = GENERATE(1s, 60s, 3600s, 36000s);
  const auto who_sends = GENERATE(0u, 1u, 2u);
  establish();
  send_packet(a);
  send_packet(b);
  run_for(1s);
  (*this)[a].boot_error = -back;
  for (int i = 0; i < 600; ++i) {
    if (who_sends != 1)
      send_packet(a);
    if (who_sends != 0)
      send_packet(b);
    run_for(1s);
  }
  // In the end packets pass again.
  const auto before_a = received(a).size();
  const auto before_b = received(b).size();
  send_packet(a);
  send_packet(b);
  run_for(1s);
  CHECK(received(a).size() > before_a);
  CHECK(received(b).size() > before_b);
}
