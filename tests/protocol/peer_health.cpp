#include "protocol/tunnel/peer_health.hpp"

#include "tests/catch.hpp"

#include <set>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using namespace weft;

/// A peer of a node that may speak, at an address that is known.
struct healthy {
  healthy() {
    health.identity_changed(true, now);
    health.endpoint_known(true, now);
  }
  void completes_handshake() {
    health.handshake_begun(now);
    health.handshake_completed(now);
  }
  void pass(duration time) {
    now += time;
    health.handle_deadline(now);
  }

  time_point now{1h};
  peer_health health;
};

} // namespace

TEST_CASE("A peer that nobody has told of is disabled") {
  CHECK(peer_health().word() == peer_word::disabled);
  CHECK_FALSE(peer_health().is_up());
}

TEST_CASE_METHOD(healthy, "A peer is idle, connecting, up, and idle again") {
  CHECK(health.word() == peer_word::idle);
  now += 1s;
  health.handshake_begun(now);
  CHECK(health.word() == peer_word::connecting);
  CHECK(health.since() == now);
  now += 1s;
  health.handshake_completed(now);
  CHECK(health.word() == peer_word::up);
  CHECK(health.since() == now);
  CHECK(health.up_until() == now + 180s);
  pass(180s - 1ns);
  CHECK(health.word() == peer_word::up);
  pass(1ns);
  CHECK(health.word() == peer_word::idle);
  CHECK(health.since() == now);
  REQUIRE(health.reason());
  CHECK(to_string(*health.reason()) == "no handshake for 180 s");
  CHECK_FALSE(health.up_until());
}

TEST_CASE_METHOD(healthy, "A peer stays up from one handshake to the next") {
  completes_handshake();
  const auto first = now;
  pass(120s);
  completes_handshake();
  pass(179s);
  CHECK(health.word() == peer_word::up);
  CHECK(health.since() == first);
  CHECK(health.up_until() == first + 120s + 180s);
}

TEST_CASE_METHOD(healthy, "A peer whose handshakes were given up is idle, and "
                          "fails with the next one until it is answered") {
  health.handshake_begun(now);
  pass(90s);
  health.handshake_given_up(now);
  CHECK(health.word() == peer_word::idle);
  REQUIRE(health.reason());
  CHECK(to_string(*health.reason()).find("no answer for 90 s") == 0);
  pass(1s);
  health.handshake_begun(now);
  CHECK(health.word() == peer_word::failing);
  pass(5s);
  health.handshake_begun(now);
  CHECK(health.word() == peer_word::failing);
  CHECK(health.since() == now - 5s);
  health.handshake_completed(now);
  CHECK(health.word() == peer_word::up);
  CHECK_FALSE(health.reason());
}

TEST_CASE_METHOD(healthy, "A peer that is up stays so when handshakes are "
                          "given up, and nobody forgets why") {
  completes_handshake();
  pass(100s);
  health.handshake_given_up(now);
  CHECK(health.word() == peer_word::up);
  CHECK(health.reason() == peer_trouble::no_answer);
  pass(80s);
  CHECK(health.word() == peer_word::idle);
  CHECK(health.reason() == peer_trouble::no_answer);
}

TEST_CASE_METHOD(healthy, "A peer without an address waits until it begins by "
                          "itself") {
  health.endpoint_known(false, now);
  CHECK(health.word() == peer_word::waiting);
  health.handshake_completed(now);
  CHECK(health.word() == peer_word::up);
}

TEST_CASE_METHOD(healthy, "Without a key nothing is tried, and a handshake "
                          "ends with the key that it was begun with") {
  health.handshake_begun(now);
  health.identity_changed(false, now);
  CHECK(health.word() == peer_word::disabled);
  health.identity_changed(true, now);
  CHECK(health.word() == peer_word::idle);
}

TEST_CASE_METHOD(healthy, "A handshake counts for its 180 s also while there "
                          "is no key, and with the next actor") {
  completes_handshake();
  health.identity_changed(false, now);
  CHECK(health.word() == peer_word::disabled);
  CHECK(health.is_up());
  health = peer_health(health.up_until());
  health.identity_changed(true, now);
  CHECK(health.word() == peer_word::up);
  pass(180s - 1ns);
  CHECK(health.is_up());
  pass(1ns);
  CHECK_FALSE(health.is_up());
}

TEST_CASE("Each trouble has a sentence of its own, and each word a name") {
  CHECK(to_string(peer_trouble::no_answer)
        != to_string(peer_trouble::no_handshake));
  std::set<std::string_view> names;
  for (auto word :
       {peer_word::up, peer_word::idle, peer_word::connecting,
        peer_word::waiting, peer_word::failing, peer_word::disabled})
    names.insert(to_string(word));
  CHECK(names.size() == 6);
}
