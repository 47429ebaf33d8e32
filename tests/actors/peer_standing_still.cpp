// Peers that stand still while workers seal and open their packets, as another
// process takes this one's place.
#include "tests/actors/helped_tunnel.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(helped_tunnel,
                 "A peer stands still once all that workers have is "
                 "back, and leaves no counter that was used") {
  send_full();
  const auto first = to_seal();
  send_full();
  const auto second = to_seal();
  freeze(a);
  CHECK_FALSE(frozen);
  perform(second);
  CHECK(a.sent(home).empty());
  CHECK_FALSE(frozen);
  perform(first);
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 2);
  REQUIRE(frozen);
  REQUIRE(frozen->session.keys.current);
  const auto& keys = *frozen->session.keys.current;
  for (const auto& one : sent)
    for (std::size_t i = 0; i < one.batch->datagrams.size(); ++i)
      CHECK(counter_of(one.batch->datagrams[i]) < keys.send_counter);
  send_full();
  CHECK(a.sent(home).empty());
  CHECK(sealer.count<cipher_work>() == 0);
}

TEST_CASE_METHOD(helped_tunnel,
                 "A peer that is to stand still leaves what it is once "
                 "all jobs have come back, or goes on") {
  send_full();
  const auto first = to_seal();
  send_full();
  const auto second = to_seal();
  send(numbered(1));
  std::optional<bool> ended_before;
  left.registry.on<peers_stand_still>(
    [&](const peers_stand_still&) -> caf::result<void> {
      ended_before = left.registry.count<session_ended>() > 0;
      return caf::unit;
    });
  freeze(a);
  perform(second);
  home.settle();
  CHECK_FALSE(frozen);
  SECTION("with the counters of what has left") {
    perform(first);
    REQUIRE(eventually([&] { return frozen != nullptr; }));
    const auto& keys = frozen->session.keys.current;
    REQUIRE(keys);
    std::uint64_t newest = 0;
    for (const auto& one : carry_all())
      newest
        = counter_of(one.batch->datagrams[one.batch->datagrams.size() - 1]);
    CHECK(keys->send_counter > newest);
    send(numbered(1)); // for its successor alone
    CHECK(a.sent(home).empty());
    return;
  }
  SECTION("that is thawed meanwhile, or ends") {
    const bool ends = GENERATE(true, false);
    left.registry.take<session_ended>();
    if (ends)
      home.end(a.actor);
    else
      caf::anon_send(a.actor, thaw{});
    CHECK(eventually([&] { return refused; }));
    CHECK_FALSE(frozen);
    if (ends) {
      // The registry knows what it was before it notices that it is gone.
      CHECK(eventually([&] { return ended_before.has_value(); }));
      CHECK(ended_before == true);
      return;
    }
    perform(first);
    send(numbered(1));
    CHECK(sent_packets() == all.size());
    CHECK_FALSE(frozen);
  }
}

TEST_CASE_METHOD(helped_tunnel,
                 "A peer that nobody succeeds while it waits for its "
                 "workers says so, and goes on") {
  send_full();
  const auto work = to_seal();
  freeze(a);
  caf::anon_send(a.actor, thaw{});
  home.settle();
  CHECK(eventually([&] { return refused; }));
  CHECK_FALSE(frozen);
  perform(work);
  CHECK(sent_packets() == full);
  send(numbered(1));
  CHECK(sent_packets() == 1);
  freeze(a);
  CHECK(eventually([&] { return frozen != nullptr; }));
  caf::anon_send(a.actor, thaw{});
  send(numbered(1));
  CHECK(sent_packets() == 1);
}

TEST_CASE_METHOD(helped_tunnel,
                 "A peer that ends while it waits for its workers "
                 "leaves no session") {
  send_full();
  const auto work = to_seal();
  freeze(a);
  home.end(a.actor, caf::exit_reason::unhandled_exception);
  CHECK(eventually([&] { return refused; }));
  CHECK_FALSE(frozen);
}

TEST_CASE_METHOD(helped_opening, "What workers have opened is in the window of "
                                 "a peer that stands still, and what that lets "
                                 "go leaves before") {
  send_with_new_session();
  carry_all();
  const auto work = to_open();
  // It waits until the session is confirmed.
  caf::anon_send(b.actor, outgoing_of({udp_packet(2, 1, 50)}));
  for (const auto& one : b.sent(home))
    CHECK(types_in(one) == types{message_type::initiation});
  freeze(b);
  CHECK_FALSE(frozen);
  perform(work);
  CHECK(received() == all);
  const auto sent = b.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(types_in(sent[0]) == types{message_type::transport});
  REQUIRE(frozen);
  REQUIRE(frozen->session.keys.current);
  CHECK_FALSE(frozen->session.keys.next);
  CHECK(frozen->session.keys.current->send_counter
        > counter_of(sent[0].batch->datagrams[0]));
}
