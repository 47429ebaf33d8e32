// What is left of a peer that ends, and its successor.
#include "tests/actors/tunnel.hpp"
#include "tests/protocol/session_access.hpp"

namespace weft {

struct peer_access {
  /// Of an actor that has ended: nobody else looks at it.
  static peer_session& session(const peer_actor& ended) {
    auto* object = caf::actor_cast<caf::abstract_actor*>(ended);
    return dynamic_cast<peer&>(*object).session_;
  }
};

} // namespace weft

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// A peer at the right end, and its successors.
struct succession : tunnel {
  /// With what the one before has left.
  tunnel_end spawn() {
    auto settings = left.as_peer();
    settings.endpoint = endpoint_of("192.0.2.99:1"); // it is elsewhere by now
    return {right, home.spawn<peer>(right.loop, right.space, right.neighbours(),
                                    right.self, 9u, last, settings)};
  }

  session_ended last;
};

} // namespace

TEST_CASE_METHOD(tunnel, "A peer that ends takes back its deadline and sends "
                         "no more") {
  send(a, {udp_packet(1, 2, 1)});
  left.clock.next<arm_deadline>();
  a.sent(home);
  home.end(a.actor);
  left.clock.settle();
  const auto last = left.clock.next<arm_deadline>();
  CHECK(last.slot == 5);
  CHECK_FALSE(last.when);
  left.socket.settle();
  CHECK(left.socket.count<outgoing_datagrams>() == 0);
}

TEST_CASE_METHOD(succession,
                 "A peer leaves to its successor where the other side "
                 "is, and which messages are old") {
  const auto former = spawn();
  send(a, {udp_packet(1, 2, 50)});
  const auto old_message = a.sent(home).at(0);
  carry(old_message, left.address, right, former.actor);
  const auto answer = former.sent(home).at(0);
  CHECK(types_in(answer) == types{response});
  home.end(former.actor);
  last = right.registry.next<session_ended>();
  const auto successor = spawn();
  carry(old_message, left.address, right, successor.actor);
  CHECK(successor.sent(home).empty());
  CHECK(drops(successor, drop_reason::replayed_handshake) == 1);
  send(successor, {udp_packet(2, 1, 1)});
  const auto next = successor.sent(home).at(0);
  CHECK(types_in(next) == types{initiation});
  CHECK(next.path.remote == left.address);
  const auto index_in = [](const outgoing_datagrams& sent) {
    return load_le<std::uint32_t>(sent.batch->datagrams[0].data()
                                  + wire::initiation_sender);
  };
  CHECK(right.indices->slot(index_in(next)) == 9);
  CHECK(right.indices->generation(index_in(next))
        == right.indices->generation(index_in(answer)) + 1);
}

TEST_CASE_METHOD(succession,
                 "The successor of a peer that had a session begins a "
                 "new one by itself, with a later stamp, also where "
                 "the peer has gone to") {
  const auto former = spawn();
  caf::anon_send(former.actor, peer_published{});
  CHECK(former.sent(home).empty());
  send(a, {udp_packet(1, 2, 50)});
  CHECK(exchange(home, a, former) == types{initiation, response, transport});
  home.end(former.actor);
  last = right.registry.next<session_ended>();
  CHECK(last.memory.session_lost);
  // As if the former one had sent an initiation by a clock that was ahead.
  const auto ahead = loop.loop->wall() + 1h;
  last.memory.last_stamp = ahead;
  const auto successor = spawn();
  caf::anon_send(successor.actor, peer_published{});
  CHECK(exchange(home, successor, a) == types{initiation, response, transport});
  CHECK(kinds_in(ups_and_downs(right))
        == kinds_of{event_kind::handshake_completed, event_kind::peer_up,
                    event_kind::handshake_completed});
  home.end(successor.actor);
  CHECK(right.registry.next<session_ended>().memory.last_stamp > ahead);
}

TEST_CASE_METHOD(tunnel, "What a peer leaves to its successor is there before "
                         "its end is told") {
  bool told = false;
  bool was_there = false;
  right.registry.run([&] {
    auto* self = right.registry.self();
    self->monitor(b.actor);
    self->set_down_handler([&](const caf::down_msg&) {
      told = true;
      was_there = right.registry.count<session_ended>() == 1;
    });
  });
  home.end(b.actor);
  right.registry.settle();
  CHECK(told);
  CHECK(was_there);
}

TEST_CASE_METHOD(tunnel,
                 "A peer that ends keeps no keys, although others still "
                 "hold its handle") {
  connect();
  send(a, {udp_packet(1, 2, 1)});
  home.end(a.actor);
  auto& session = peer_access::session(a.actor);
  CHECK(peer_session_access::keys(session).empty());
  CHECK_FALSE(peer_session_access::has_pending(session));
  CHECK(peer_session_access::staged(session) == 0);
}
