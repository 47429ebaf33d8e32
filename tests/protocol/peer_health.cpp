#include "protocol/tunnel/peer_health.hpp"

#include "tests/catch.hpp"

#include <cerrno>
#include <set>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using namespace weft;

endpoint at(std::string_view text) {
  return parse_endpoint(text).value();
}

/// A peer of a node that may speak, at an address that is known.
struct healthy {
  healthy() {
    health.identity_changed(true, now);
    health.endpoint_known(home, now);
  }
  void tries() {
    health.handshake_begun(home, ++unanswered, now);
  }
  void completes_handshake() {
    tries();
    health.handshake_completed(now);
    unanswered = 0;
  }
  void pass(duration time) {
    now += time;
    health.handle_deadline(now);
  }
  /// Tries once in 5 s, beginning now.
  void tries_for(duration time) {
    for (const auto end = now + time; now < end; pass(5s))
      tries();
  }
  std::string reason() const {
    const auto found = health.reason(now);
    return found ? to_string(*found) : "";
  }
  bool says(std::string_view text) const {
    return reason().find(text) != std::string::npos;
  }

  const endpoint home = at("192.0.2.7:51820");
  time_point now{1h};
  unsigned unanswered = 0;
  peer_health health;
};

} // namespace

TEST_CASE("A peer that nobody has told of is disabled") {
  CHECK(peer_health().word() == peer_word::disabled);
  CHECK_FALSE(peer_health().is_up());
  CHECK_FALSE(peer_health().reason(time_point{1h}));
}

TEST_CASE_METHOD(healthy, "A peer is idle, connecting, up, and idle again") {
  CHECK(health.word() == peer_word::idle);
  now += 1s;
  tries();
  CHECK(health.word() == peer_word::connecting);
  CHECK(health.since() == now);
  now += 1s;
  health.handshake_completed(now);
  CHECK(health.word() == peer_word::up);
  CHECK(health.since() == now);
  CHECK(health.up_until() == now + 180s);
  CHECK(health.next_deadline() == now + 180s);
  pass(180s - 1ns);
  CHECK(health.word() == peer_word::up);
  pass(1ns);
  CHECK(health.word() == peer_word::idle);
  CHECK(health.since() == now);
  CHECK(reason() == "no handshake for 180 s");
  CHECK_FALSE(health.up_until());
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
  CHECK(health.up_until() == first + 120s + 180s);
}

TEST_CASE_METHOD(healthy, "A peer fails with the third try in 10 s, stays so "
                          "from round to round, and is well once it answers") {
  const auto begun = now;
  tries_for(10s);
  CHECK(health.word() == peer_word::connecting);
  tries();
  CHECK(health.word() == peer_word::failing);
  CHECK(health.since() == begun + 10s);
  CHECK(says("no answer from 192.0.2.7:51820, 3 tries: "));
  tries_for(80s);
  health.handshake_given_up(now);
  CHECK(health.word() == peer_word::failing);
  tries_for(60s);
  CHECK(health.word() == peer_word::failing);
  CHECK(health.since() == begun + 10s);
  completes_handshake();
  CHECK(health.word() == peer_word::up);
  CHECK_FALSE(health.reason(now));
}

TEST_CASE_METHOD(healthy, "A peer that changes its address at once does not "
                          "fail for that") {
  for (int i = 0; i < 5; ++i)
    tries();
  CHECK(health.word() == peer_word::connecting);
}

TEST_CASE_METHOD(healthy, "A peer that was given up is idle once nobody has "
                          "asked for it for 180 s, and nobody forgets why") {
  tries_for(90s);
  health.handshake_given_up(now);
  CHECK(health.next_deadline() == now + 180s);
  pass(180s - 1ns);
  CHECK(health.word() == peer_word::failing);
  pass(1ns);
  CHECK(health.word() == peer_word::idle);
  CHECK(says("no answer from 192.0.2.7:51820, 18 tries"));
  tries();
  CHECK(health.word() == peer_word::connecting);
}

TEST_CASE_METHOD(healthy, "A peer that falls silent fails before its 180 s are "
                          "over, and is then no longer up") {
  completes_handshake();
  pass(100s);
  tries_for(10s);
  CHECK(health.word() == peer_word::up);
  tries();
  CHECK(health.word() == peer_word::failing);
  CHECK(health.is_up());
  pass(70s);
  CHECK_FALSE(health.is_up());
  CHECK(health.word() == peer_word::failing);
}

TEST_CASE_METHOD(healthy, "A peer whose packets arrive does not fail, whatever "
                          "becomes of handshakes") {
  completes_handshake();
  for (int i = 0; i < 12; ++i) {
    pass(5s);
    health.heard(now);
    tries();
    CHECK(health.word() == peer_word::up);
  }
  CHECK_FALSE(health.reason(now));
}

TEST_CASE_METHOD(healthy, "A peer whose handshakes are answered and come to "
                          "nothing fails with the third") {
  health.answered(home, 1, now);
  CHECK(health.word() == peer_word::connecting);
  pass(5s);
  health.answered(home, 2, now);
  CHECK(health.word() == peer_word::connecting);
  pass(5s);
  health.answered(home, 3, now);
  CHECK(health.word() == peer_word::failing);
  CHECK(says("3 answers to its handshakes from 192.0.2.7:51820 were not used: "
             "the preshared keys differ, or one side has none"));
  pass(180s);
  CHECK(health.word() == peer_word::idle);
}

TEST_CASE_METHOD(healthy, "A peer without an address waits until it begins by "
                          "itself") {
  health.endpoint_known(std::nullopt, now);
  CHECK(health.word() == peer_word::waiting);
  CHECK(says("its endpoint is not known"));
  CHECK_FALSE(health.take_news(now));
  health.handshake_completed(now);
  CHECK(health.word() == peer_word::up);
}

TEST_CASE_METHOD(healthy, "Without a key nothing is tried, and a handshake "
                          "ends with the key that it was begun with") {
  tries_for(20s);
  health.identity_changed(false, now);
  CHECK(health.word() == peer_word::disabled);
  CHECK_FALSE(health.reason(now));
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

TEST_CASE_METHOD(healthy, "An error of the network explains why a peer does "
                          "not answer, and says nothing of one that is up") {
  tries();
  health.network_error(ECONNREFUSED, home, now);
  CHECK(health.word() == peer_word::connecting);
  CHECK(says("refused at 192.0.2.7:51820: nothing listens"));
  pass(5s);
  tries_for(10s);
  CHECK(health.word() == peer_word::failing);
  CHECK(says("refused at 192.0.2.7:51820"));
  completes_handshake();
  health.network_error(ECONNREFUSED, home, now);
  health.send_error(ENETUNREACH, home, now);
  CHECK(health.word() == peer_word::up);
  CHECK_FALSE(health.reason(now));
}

TEST_CASE_METHOD(healthy, "An error of the network counts if it is about where "
                          "the peer is, or was asked last") {
  tries();
  health.network_error(ECONNREFUSED, at("192.0.2.7:1"), now);
  CHECK_FALSE(health.reason(now));
  health.endpoint_known(at("192.0.2.8:2"), now);
  health.network_error(ECONNREFUSED, home, now);
  CHECK(says("refused at 192.0.2.7:51820"));
  health.network_error(EHOSTUNREACH, at("192.0.2.8:2"), now);
  CHECK(says("(errno 113) at 192.0.2.8:2"));
}

TEST_CASE_METHOD(healthy, "What this host refused to send is no reason any "
                          "more once it is sent") {
  tries();
  health.send_error(EPERM, home, now);
  CHECK(says("cannot send to"));
  pass(5s);
  tries();
  CHECK(says("cannot send to"));
  pass(5s);
  tries();
  CHECK_FALSE(says("cannot send to"));
}

TEST_CASE_METHOD(healthy, "A send that this host refuses is told with its "
                          "errno and address") {
  tries();
  health.send_error(ENETUNREACH, home, now);
  CHECK(says("cannot send to 192.0.2.7:51820: "));
  CHECK(says("(errno 101)"));
  CHECK_FALSE(says("IPv6"));
  health.send_error(ENETUNREACH, at("[2001:db8::7]:51820"), now);
  CHECK(says("cannot send to [2001:db8::7]:51820: "));
  CHECK(says("no IPv6 here"));
}

TEST_CASE_METHOD(healthy, "What was seen is forgotten after 180 s, or with the "
                          "handshake that shows that it is over") {
  tries();
  health.found(trouble::answer_not_opened{home}, now);
  CHECK(says("the preshared keys differ, or one side has none"));
  completes_handshake();
  CHECK_FALSE(health.reason(now));
  health.found(trouble::source_refused{at("10.0.0.9:1").address}, now);
  completes_handshake();
  CHECK(health.word() == peer_word::up);
  CHECK(says("packets from 10.0.0.9 in its tunnel are refused"));
  pass(29s); // it comes again with each packet
  CHECK(says("10.0.0.9"));
  pass(1s);
  CHECK_FALSE(says("10.0.0.9"));
}

TEST_CASE_METHOD(healthy, "What anybody may claim does not hide what was "
                          "seen") {
  tries();
  health.found(trouble::answer_not_opened{home}, now);
  health.found(trouble::wrong_key_used{home}, now);
  CHECK(says("the preshared keys differ"));
  pass(180s);
  health.found(trouble::wrong_key_used{home}, now);
  CHECK(says("192.0.2.7:51820 (claimed) uses a wrong public key"));
  CHECK(health.word() == peer_word::connecting);
  completes_handshake();
  health.found(trouble::wrong_key_used{home}, now);
  CHECK_FALSE(health.reason(now));
}

TEST_CASE_METHOD(healthy, "A trouble of one kind is news once in ten minutes, "
                          "also if the peer was well meanwhile") {
  CHECK_FALSE(health.take_news(now));
  tries_for(15s);
  CHECK(health.take_news(now));
  CHECK_FALSE(health.take_news(now));
  health.network_error(ECONNREFUSED, home, now);
  CHECK(health.take_news(now)->index()
        == peer_trouble(trouble::refused_by_network{}).index());
  completes_handshake();
  pass(200s);
  tries_for(300s);
  CHECK_FALSE(health.take_news(now));
  tries_for(100s);
  CHECK(health.take_news(now));
}

TEST_CASE("Each trouble has a sentence of its own, and each word a name") {
  const auto here = at("192.0.2.1:1");
  const auto there = at("192.0.2.2:2");
  std::set<std::string> sentences;
  for (const peer_trouble& what :
       {peer_trouble(trouble::no_endpoint{}),
        peer_trouble(trouble::no_handshake{}),
        peer_trouble(trouble::no_answer{here, 1}),
        peer_trouble(trouble::refused_by_network{EACCES, here}),
        peer_trouble(trouble::not_sent{EACCES, here}),
        peer_trouble(trouble::answer_not_opened{here}),
        peer_trouble(trouble::answers_unused{here, 3}),
        peer_trouble(trouble::clock_behind{here, 60s}),
        peer_trouble(trouble::wrong_key_used{here}),
        peer_trouble(trouble::key_shared{here, there}),
        peer_trouble(trouble::source_refused{here.address})}) {
    const auto sentence = to_string(what);
    CHECK(sentence.back() != '.');
    sentences.insert(sentence);
  }
  CHECK(sentences.size() == std::variant_size_v<peer_trouble>);
  std::set<std::string_view> names;
  for (auto word :
       {peer_word::up, peer_word::idle, peer_word::connecting,
        peer_word::waiting, peer_word::failing, peer_word::disabled})
    names.insert(to_string(word));
  CHECK(names.size() == 6);
}
