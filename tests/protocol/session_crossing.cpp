// Both sides begin a handshake at the same time.
#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

} // namespace

TEST_CASE_METHOD(pair_network, "Crossed initiations end with sessions that "
                               "carry packets both ways") {
  send_packet(a);
  send_packet(b);
  run_for(1s);
  CHECK(initiations(a) == 1);
  CHECK(initiations(b) == 1);
  CHECK(received(a) == numbers{1});
  CHECK(received(b) == numbers{1});
  for (int i = 0; i < 10; ++i) {
    send_packet(a);
    send_packet(b);
    run_for(100ms);
  }
  CHECK(received(a).size() == 11);
  CHECK(received(b).size() == 11);
  CHECK(initiations(a) + initiations(b) == 2);
  for (auto who : {a, b}) {
    CHECK(session(who).drops()[drop_reason::unknown_index] == 0);
    CHECK(session(who).drops()[drop_reason::invalid_handshake] == 0);
  }
}

TEST_CASE("After crossed initiations both sides go on with one session, lose "
          "no packet and renew it once every two minutes") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    pair_network net(seed);
    net.latency = 80ms;
    net.send_packet(net.a);
    net.send_packet(net.b);
    for (int i = 0; i < 20'000; ++i) {
      net.run_for(50ms);
      net.send_packet(net.a);
      net.send_packet(net.b);
    }
    net.run_for(1s);
    CHECK(net.received(net.a).size() == 20'001);
    CHECK(net.received(net.b).size() == 20'001);
    CHECK(net.initiations(net.a) + net.initiations(net.b) == 2 + 8);
    const auto age
      = [&](std::size_t who) { return *net.session(who).session_created(); };
    CHECK(age(net.a) - age(net.b) < 200ms);
    CHECK(age(net.b) - age(net.a) < 200ms);
  }
}

TEST_CASE("A renewal that both sides begin at once loses no packet") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    pair_network net(seed);
    net.latency = 80ms;
    net.establish();
    net.run_for(10s);
    for (int i = 0; i < 200; ++i) {
      if (i == 100) {
        net.session(net.a).initiate_handshake(net.at(net.a));
        net.session(net.b).initiate_handshake(net.at(net.b));
      }
      net.send_packet(net.a);
      net.send_packet(net.b);
      net.run_for(10ms);
    }
    net.run_for(1s);
    CHECK(net.initiations(net.a) + net.initiations(net.b) == 2);
    CHECK(net.received(net.a).size() == 200);
    CHECK(net.received(net.b).size() == 200);
  }
}

TEST_CASE_METHOD(pair_network, "A response that is held back while the other "
                               "side's handshake completes is of no use, to "
                               "nobody") {
  const auto loser = GENERATE(a, b);
  bytes held_back;
  rule = [&](const sent_datagram& message) {
    if (message.type() == message_type::response && message.from == loser) {
      held_back = message.content;
      return fate{};
    }
    return fate{latency};
  };
  const auto other = 1 - loser;
  send_packet(a);
  send_packet(b);
  run_for(1s);
  REQUIRE_FALSE(held_back.empty());
  CHECK_FALSE(peer_session_access::has_pending(session(other)));
  lose_nothing();
  const auto created = session(other).session_created();
  inject(address_of(66), (*this)[other].address, held_back);
  run_for(1s);
  CHECK(session(other).session_created() == created);
  CHECK(session(other).path()->remote == (*this)[loser].address);
  CHECK(session(other).drops()[drop_reason::invalid_handshake] == 1);
  send_packet(a);
  send_packet(b);
  run_for(1s);
  CHECK(received(a) == numbers{1, 2});
  CHECK(received(b) == numbers{1, 2});
}

TEST_CASE_METHOD(pair_network, "Crossed initiations of which one response is "
                               "lost end with a session as well") {
  const auto loser = GENERATE(a, b);
  lose([loser](const auto& message) {
    return message.type() == message_type::response && message.from == loser;
  });
  send_packet(a);
  send_packet(b);
  run_for(1s);
  lose_nothing();
  run_for(10s);
  send_packet(a);
  send_packet(b);
  run_for(1s);
  CHECK(received(a) == numbers{1, 2});
  CHECK(received(b) == numbers{1, 2});
}
