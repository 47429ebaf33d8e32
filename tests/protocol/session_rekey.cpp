#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;
using access = peer_session_access;

/// 2^64 - 2^13 - 1: the first counter that is never used.
constexpr std::uint64_t reject_after_messages = 0xffffffffffffdfff;
constexpr std::uint64_t rekey_after_messages = std::uint64_t{1} << 60;

} // namespace

TEST_CASE_METHOD(pair_network,
                 "The initiator renews the session with the first "
                 "packet after 120 s") {
  const auto start = now();
  establish();
  run_until(start + 120s - 1ms);
  send_packet(a);
  CHECK(initiations(a) == 0);
  run_for(1ms);
  send_packet(a);
  run_for(1s);
  CHECK(initiations(a) == 1);
  CHECK(received(b) == numbers{1, 2});
  CHECK(*session(a).session_created() == start + 120s);
}

TEST_CASE_METHOD(pair_network, "The responder does not renew the session as "
                               "long as it lives") {
  const auto start = now();
  establish();
  lose([](const auto& message) {
    return message.type() == message_type::initiation;
  });
  while (now() < start + 178s) {
    send_packet(a); // otherwise b would miss an answer
    send_packet(b);
    run_for(1s);
  }
  CHECK(initiations(b) == 0);
  CHECK(initiations(a) > 10);
  CHECK(received(a).size() == 177);
}

TEST_CASE_METHOD(pair_network, "The responder starts a handshake itself once "
                               "the session is 180 s old") {
  establish();
  run_for(180s);
  send_packet(b);
  CHECK(initiations(b) == 1);
  CHECK(count(message_type::transport, b) == 0);
  run_for(1s);
  CHECK(received(a) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "An initiator that sends nothing at all renews "
                               "the session when it is 165 s old") {
  establish();
  const auto created = *session(a).session_created();
  run_until(created + 164s);
  send_packet(b);
  run_for(100ms);
  CHECK(initiations(a) == 0);
  run_until(created + 165s);
  send_packet(b);
  run_for(100ms);
  CHECK(initiations(a) == 1);
  CHECK(*session(a).session_created() > created);
  CHECK(received(a) == numbers{1, 2});
}

TEST_CASE_METHOD(pair_network, "An initiator that sends nothing at all renews "
                               "every session before its end, not only the "
                               "first") {
  establish();
  for (std::size_t renewals = 1; renewals <= 3; ++renewals) {
    run_until(*session(a).session_created() + 165s);
    send_packet(b);
    run_for(1s);
    CHECK(initiations(a) == renewals);
    CHECK(received(a).size() == renewals);
  }
  CHECK(initiations(b) == 0);
}

TEST_CASE_METHOD(pair_network,
                 "Until the initiator has confirmed a renewal the "
                 "responder sends in the former session") {
  establish();
  run_for(10s);
  lose([](const auto& message) {
    return message.type() == message_type::response;
  });
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  REQUIRE(count(message_type::response, b) == 1);
  send_packet(b);
  run_for(1s);
  CHECK(received(a) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "The last renewal before the end is asked for "
                               "once, and then repeated by the timer only") {
  establish();
  run_until(*session(a).session_created() + 165s);
  // The peer's packets come in, nothing goes out.
  lose([](const auto& message) { return message.from == 0; });
  for (int i = 0; i < 550; ++i) {
    send_packet(b);
    run_for(10ms);
  }
  std::vector<time_point> times;
  for (const auto& sent : trace)
    if (sent.type() == message_type::initiation && sent.from == a)
      times.push_back(sent.when);
  REQUIRE(times.size() == 2);
  CHECK(times[1] - times[0] > 5010ms); // a packet would have come sooner
}

TEST_CASE_METHOD(pair_network, "While packets flow for an hour there is a new "
                               "handshake every two minutes and no packet is "
                               "lost") {
  for (int i = 0; i < 3600; ++i) {
    send_packet(a);
    send_packet(b);
    run_for(1s);
  }
  CHECK(received(a).size() == 3600);
  CHECK(received(b).size() == 3600);
  const auto handshakes = initiations(a) + initiations(b);
  CHECK(handshakes >= 29);
  CHECK(handshakes <= 62); // both, if the first ones crossed
  CHECK(session(a).drops()[drop_reason::queue_full] == 0);
}

TEST_CASE_METHOD(pair_network, "A session is not used for sending from 180 s "
                               "on, even if no other can be made") {
  const auto start = now();
  establish();
  lose([](const auto& message) {
    return message.type() == message_type::initiation;
  });
  while (now() < start + 200s) {
    send_packet(a);
    run_for(1s);
  }
  time_point last;
  for (const auto& sent : trace)
    if (sent.type() == message_type::transport && sent.from == a)
      last = sent.when;
  CHECK(last >= start + 178s);
  CHECK(last < start + 180s + 40ms);
  CHECK(peer_session_access::staged(session(a)) > 0);
}

TEST_CASE_METHOD(pair_network, "Messages of a session are refused once it is "
                               "180 s old") {
  establish();
  const auto created = *session(b).session_created();
  send_packet(a);
  const auto message = trace.back().content;
  lose_all();
  send_packet(a);
  const auto late = trace.back().content;
  run_until(created + 180s);
  inject((*this)[a].address, (*this)[b].address, late);
  run_for(0s);
  CHECK(received(b) == numbers{1});
  CHECK(session(b).drops()[drop_reason::expired_session] == 1);
}

TEST_CASE_METHOD(pair_network, "Messages of the former session are accepted "
                               "after the new one has begun") {
  establish();
  bool delay = true;
  rule = [&](const sent_datagram& message) {
    if (delay && message.from == a && message.type() == message_type::transport)
      return fate{3s};
    return fate{20ms};
  };
  send_packet(a);
  delay = false;
  run_for(121s);
  trace.clear();
  delay = true;
  send_packet(a); // on the old session, and it is three seconds late
  delay = false;
  run_for(1s);
  CHECK(initiations(a) == 1);
  send_packet(a); // on the new one
  run_for(1s);
  CHECK(received(b) == numbers{1, 3});
  run_for(2s);
  CHECK(received(b) == numbers{1, 3, 2});
  CHECK(session(b).drops()[drop_reason::unknown_index] == 0);
}

TEST_CASE_METHOD(pair_network, "After 2^60 messages the session is renewed, by "
                               "either side") {
  const auto who = GENERATE(a, b);
  establish();
  run_for(10s);
  access::set_send_counter(session(who), rekey_after_messages - 1);
  send_packet(who);
  CHECK(initiations(who) == 0);
  send_packet(who);
  CHECK(initiations(who) == 1);
  run_for(1s);
  CHECK(received(1 - who) == numbers{1, 2});
  trace.clear();
  send_packet(who);
  CHECK(load_le<std::uint64_t>(trace.back().content.data() + 8) < 3);
}

TEST_CASE_METHOD(pair_network, "After 2^64 - 2^13 - 1 messages nothing more is "
                               "sealed with the session") {
  establish();
  run_for(10s);
  access::set_send_counter(session(a), reject_after_messages - 2);
  send_packet(a);
  send_packet(a);
  CHECK(count(message_type::transport, a) == 2);
  CHECK(load_le<std::uint64_t>(trace.back().content.data() + 8)
        == reject_after_messages - 1);
  lose_all();
  send_packet(a);
  CHECK(count(message_type::transport, a) == 2);
  CHECK(peer_session_access::staged(session(a)) == 1);
  lose_nothing();
  run_for(10s);
  CHECK(received(b) == numbers{1, 2, 3});
}

TEST_CASE_METHOD(pair_network, "A batch that would pass the last counter is "
                               "not sealed in part") {
  establish();
  run_for(10s);
  access::set_send_counter(session(a), reject_after_messages - 2);
  send(a, 0, {make_packet(1), make_packet(2), make_packet(3)});
  CHECK(count(message_type::transport, a) == 0);
  run_for(1s);
  CHECK(received(b) == numbers{1, 2, 3});
}

TEST_CASE_METHOD(pair_network, "Keepalives do not pass the last counter "
                               "either") {
  establish();
  run_for(10s);
  access::set_send_counter(session(a), reject_after_messages);
  session(a).set_persistent_keepalive(25s, at(a));
  collect(a);
  CHECK(count(message_type::transport, a) == 0);
  CHECK(initiations(a) == 1);
}

TEST_CASE_METHOD(pair_network, "The counter is 64 bits wide") {
  establish();
  access::set_send_counter(session(a), 0xffffffff);
  send_packet(a);
  send_packet(a);
  send_packet(a);
  REQUIRE(trace.size() == 3);
  CHECK(load_le<std::uint64_t>(trace[0].content.data() + 8) == 0xffffffff);
  CHECK(load_le<std::uint64_t>(trace[1].content.data() + 8) == 0x100000000);
  CHECK(load_le<std::uint64_t>(trace[2].content.data() + 8) == 0x100000001);
  run_for(1s);
  CHECK(received(b) == numbers{1, 2, 3});
}
