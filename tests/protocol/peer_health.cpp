#include "protocol/tunnel/peer_health.hpp"

#include "tests/catch.hpp"

#include <cerrno>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace weft;

/// A peer of a node that may speak, at an address that is known.
struct healthy {
  healthy() {
    health.enabled(true, now);
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
  CHECK_FALSE(peer_health().next_deadline());
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
  CHECK(health.next_deadline() == now + 180s);
  pass(180s - 1ns);
  CHECK(health.word() == peer_word::up);
  pass(1ns);
  CHECK(health.word() == peer_word::idle);
  CHECK(health.since() == now);
  REQUIRE(health.reason());
  CHECK(to_string(*health.reason()) == "no handshake for 180 s");
  CHECK_FALSE(health.next_deadline());
}

TEST_CASE_METHOD(healthy, "A peer stays up from one handshake to the next") {
  completes_handshake();
  const auto first = now;
  pass(120s);
  completes_handshake();
  pass(179s);
  CHECK(health.word() == peer_word::up);
  CHECK(health.since() == first);
  CHECK(health.next_deadline() == first + 120s + 180s);
}

TEST_CASE_METHOD(healthy, "What stands in the way of a handshake makes a peer "
                          "fail, until one is completed") {
  health.handshake_begun(now);
  pass(90s);
  health.found(trouble::no_answer{}, now);
  CHECK(health.word() == peer_word::failing);
  pass(1s);
  health.found(trouble::send_failed{ENETUNREACH}, now);
  CHECK(health.word() == peer_word::failing);
  CHECK(health.since() == now - 1s);
  CHECK(to_string(*health.reason()).find("Network is unreachable")
        != std::string::npos);
  health.handshake_completed(now);
  CHECK(health.word() == peer_word::up);
  CHECK_FALSE(health.reason());
}

TEST_CASE_METHOD(healthy,
                 "A peer whose handshakes were given up is idle, and "
                 "fails again with the next one until it is answered") {
  health.handshake_begun(now);
  health.found(trouble::no_answer{}, now);
  health.handshake_ended(now);
  CHECK(health.word() == peer_word::idle);
  CHECK(health.reason());
  health.handshake_begun(now);
  CHECK(health.word() == peer_word::failing);
}

TEST_CASE_METHOD(healthy, "A peer that is up stays so, whatever is found") {
  completes_handshake();
  health.found(trouble::source_refused{ip_address{}}, now);
  CHECK(health.word() == peer_word::up);
  CHECK(health.reason());
}

TEST_CASE_METHOD(healthy, "Without an address a handshake waits, and without a "
                          "key nothing is tried") {
  health.endpoint_known(false, now);
  CHECK(health.word() == peer_word::idle);
  health.handshake_begun(now);
  health.found(trouble::name_not_found{}, now);
  CHECK(health.word() == peer_word::waiting);
  health.enabled(false, now);
  CHECK(health.word() == peer_word::disabled);
}

TEST_CASE("Each trouble has a sentence of its own, and each word a name") {
  const endpoint where{*parse_ip_address("192.0.2.1"), 51820};
  const std::vector<peer_trouble> all{
    trouble::no_answer{},        trouble::icmp{ECONNREFUSED, where},
    trouble::send_failed{EPERM}, trouble::name_not_found{},
    trouble::wrong_key{where},   trouble::source_refused{where.address},
    trouble::no_handshake{}};
  std::set<std::string> sentences;
  for (const auto& one : all)
    sentences.insert(to_string(one));
  CHECK(sentences.size() == all.size());
  CHECK(sentences.contains("192.0.2.1:51820 says: Connection refused"));
  std::set<std::string_view> names;
  for (auto word :
       {peer_word::up, peer_word::idle, peer_word::connecting,
        peer_word::waiting, peer_word::failing, peer_word::disabled})
    names.insert(to_string(word));
  CHECK(names.size() == 6);
}
