#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

struct psk_network : pair_network {
  preshared_key first = some_psk();
  preshared_key second = some_psk();

  preshared_key some_psk() {
    return preshared_key{generate_private_key((*this)[a].random()).bytes()};
  }

  void set(std::size_t who, const preshared_key& psk) {
    session(who).set_preshared_key(psk);
  }
};

} // namespace

TEST_CASE_METHOD(psk_network, "Peers with the same preshared key shake hands") {
  set(a, first);
  set(b, first);
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(psk_network, "With a preshared key on one side only there is "
                              "no session, whichever side it is") {
  const auto who = GENERATE(a, b);
  const auto initiator = GENERATE(a, b);
  set(who, first);
  send_packet(initiator);
  run_for(200s);
  CHECK(received(a).empty());
  CHECK(received(b).empty());
  // The responder cannot tell; the initiator refuses each response.
  CHECK(session(initiator).drops()[drop_reason::invalid_handshake] > 10);
  CHECK_FALSE(session(a).last_handshake());
  CHECK_FALSE(session(b).last_handshake());
}

TEST_CASE_METHOD(psk_network, "Where preshared keys differ the initiator sees "
                              "answers that it cannot open, and the responder "
                              "that they are not used") {
  set(b, first);
  send_packet(a);
  run_for(11s);
  const auto refused = session(a).take_refusal();
  REQUIRE(refused);
  CHECK(refused->why == handshake_refusal::cause::answer_not_opened);
  CHECK(refused->from == (*this)[b].address);
  CHECK_FALSE(session(a).take_refusal());
  CHECK(session(b).unused_answers() == 3);
  CHECK_FALSE(session(b).take_refusal());
  set(b, {});
  run_for(6s);
  CHECK(received(b) == numbers{1});
  CHECK(session(b).unused_answers() == 0);
}

TEST_CASE_METHOD(psk_network, "Different preshared keys make no session") {
  set(a, first);
  set(b, second);
  send_packet(a);
  run_for(200s);
  CHECK(received(b).empty());
  CHECK_FALSE(session(a).last_handshake());
}

TEST_CASE_METHOD(psk_network, "A changed preshared key leaves the live session "
                              "alone and takes effect at the next handshake") {
  establish();
  set(a, first);
  for (int i = 0; i < 10; ++i) {
    send_packet(a);
    send_packet(b);
    run_for(1s);
  }
  CHECK(received(a).size() == 10);
  CHECK(received(b).size() == 10);
  CHECK(initiations(a) + initiations(b) == 0);
  // The next handshake fails as long as the other side has the former key.
  run_for(115s);
  send_packet(a);
  run_for(1s);
  CHECK(initiations(a) == 1);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
  set(b, first);
  run_for(10s);
  CHECK(initiations(a) == 2);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
  send_packet(b);
  run_for(1s);
  CHECK(received(a).size() == 11);
  CHECK(received(b).size() == 11);
}

TEST_CASE_METHOD(psk_network,
                 "A preshared key that is set while the initiation "
                 "is under way counts for the response") {
  session(a).initiate_handshake(at(a));
  collect(a);
  set(b, first);
  run_for(25ms);
  set(a, first);
  run_for(1s);
  CHECK(session(a).last_handshake());
  CHECK(session(b).last_handshake());
}

TEST_CASE_METHOD(psk_network, "A preshared key that is taken away is zero") {
  set(a, first);
  CHECK(session(a).psk() == first);
  set(a, {});
  CHECK(session(a).psk().is_zero());
  send_packet(a);
  run_for(1s);
  CHECK(received(b) == numbers{1});
}
