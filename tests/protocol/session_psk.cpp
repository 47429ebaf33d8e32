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

namespace {

/// One side's keys: the one that it answers with, and those that it also opens
/// answers with.
struct held_keys {
  const preshared_key* own;
  std::vector<preshared_key> others;
};

} // namespace

TEST_CASE_METHOD(psk_network, "While keys change each side opens answers that "
                              "are made with any of its keys, also both at "
                              "once") {
  const std::vector<held_keys> all{
    {&first, {}}, {&first, {second}}, {&second, {first}}, {&second, {}}};
  const auto left = GENERATE(range(0, 4));
  const auto right = GENERATE(range(0, 4));
  const auto initiator = GENERATE(0, 1, 2); // 2: both
  const auto& keys_of_a = all.at(static_cast<std::size_t>(left));
  const auto& keys_of_b = all.at(static_cast<std::size_t>(right));
  const auto configure = [this](std::size_t who, const held_keys& keys) {
    set(who, *keys.own);
    session(who).set_other_preshared_keys(keys.others);
  };
  configure(a, keys_of_a);
  configure(b, keys_of_b);
  const auto opens = [](const held_keys& one, const held_keys& answer) {
    return *one.own == *answer.own
           || std::count(one.others.begin(), one.others.end(), *answer.own)
                != 0;
  };
  if (initiator != 1)
    send_packet(a);
  if (initiator != 0)
    send_packet(b);
  run_for(4s);
  const bool by_a = initiator != 1 && opens(keys_of_a, keys_of_b);
  const bool by_b = initiator != 0 && opens(keys_of_b, keys_of_a);
  CHECK(session(a).last_handshake().has_value() == (by_a || by_b));
  CHECK(session(b).last_handshake().has_value() == (by_a || by_b));
  if (by_a)
    CHECK(received(b) == numbers{1});
  if (by_b)
    CHECK(received(a) == numbers{1});
}

TEST_CASE_METHOD(psk_network, "A key that is none of those that are held opens "
                              "no answer") {
  set(a, first);
  session(a).set_other_preshared_keys(std::vector{some_psk(), some_psk()});
  set(b, second);
  send_packet(a);
  run_for(30s);
  CHECK(received(b).empty());
  CHECK(session(a).drops()[drop_reason::invalid_handshake] > 2);
}

TEST_CASE_METHOD(psk_network, "Of many other keys the first eight are tried") {
  const auto place = GENERATE(7, 8);
  std::vector<preshared_key> others;
  for (int i = 0; i < place; ++i)
    others.push_back(some_psk());
  others.push_back(second);
  set(a, first);
  session(a).set_other_preshared_keys(others);
  set(b, second);
  send_packet(a);
  run_for(4s);
  CHECK(session(a).last_handshake().has_value() == (place == 7));
  // Those that are set later take their place.
  session(a).set_other_preshared_keys({});
  CHECK(session(a).save().values.other_psks.empty());
}

TEST_CASE_METHOD(psk_network,
                 "Both sides change their keys one after the other "
                 "under traffic, and no packet is lost") {
  set(a, first);
  set(b, first);
  std::size_t sent = 0;
  const auto go_on = [&](std::chrono::seconds time) {
    for (std::chrono::seconds gone{0}; gone < time; gone += 1s) {
      send_packet(a);
      send_packet(b);
      ++sent;
      run_for(1s);
    }
  };
  go_on(130s);
  // Both hold the new one first, ...
  session(b).set_other_preshared_keys(std::vector{second});
  go_on(130s);
  session(a).set_other_preshared_keys(std::vector{second});
  go_on(130s);
  // ... then each goes over to it when it hears of the other ...
  set(a, second);
  session(a).set_other_preshared_keys(std::vector{first});
  go_on(130s);
  set(b, second);
  session(b).set_other_preshared_keys(std::vector{first});
  go_on(130s);
  // ... and in the end the former one goes.
  session(a).set_other_preshared_keys({});
  session(b).set_other_preshared_keys({});
  go_on(130s);
  run_for(1s);
  CHECK(received(a).size() == sent);
  CHECK(received(b).size() == sent);
}
