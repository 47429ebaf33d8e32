#include "actors/packets/stranger_port.hpp"

#include "tests/actors/loopback_port.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// A port that leaves strangers to another one.
struct divided : loopback_port {
  divided()
    : loopback_port(true),
      strangers(home.spawn<stranger_port>(stranger_loop.loop, actor)) {
    caf::anon_send(strangers, gate_started{gate.handle()});
    settle();
  }
  /// What was sent between the two has arrived.
  void settle() {
    stranger_drops();
    drops(drop_reason::overload); // the port has heard of the strangers' one
    stranger_drops();
  }
  drop_counters stranger_drops() {
    return home.ask<drop_report>(strangers, report_request{}).drops;
  }
  /// Makes it known by sending it something.
  void send_to(const stranger& somebody) {
    outgoing_ptr batch{new outgoing_batch};
    batch->datagrams.add_message(40);
    caf::anon_send(
      actor, outgoing_datagrams{batch, {somebody.address(), {}}, peer_actor{}});
  }

  test_loop stranger_loop = home.start_loop("stranger-loop");
  stranger_port_actor strangers;
};

} // namespace

TEST_CASE_METHOD(divided,
                 "Handshake messages come by the strangers' port, also "
                 "after the port was changed") {
  stranger sender;
  for (int round = 0; round < 3; ++round) {
    sender.send(handshake(1, 148, 7), port);
    const auto got = gate.next<incoming_handshakes>();
    CHECK(got.from == strangers);
    REQUIRE(got.messages.size() == 1);
    CHECK(got.messages[0].path.remote == sender.address());
    // In the last round to the same port: its own sockets are in the way.
    auto to = *parse_endpoint("127.0.0.1:0");
    if (round == 1)
      to.port = port;
    port = home.ask<std::uint16_t>(actor, rebind{to, 0});
    settle();
  }
}

TEST_CASE_METHOD(divided, "Transport messages come to the packets' port from "
                          "those whom something was sent to") {
  stranger known;
  send_to(known);
  known.receive();
  // While the packets' loop is held up, only what comes by the other one
  // arrives.
  stranger unknown;
  std::promise<void> over;
  std::promise<void> begun;
  caf::anon_send(loop.worker, work{[&] {
                   begun.set_value();
                   over.get_future().wait();
                 }});
  begun.get_future().wait();
  known.send(transport(0, 1), port);
  unknown.send(transport(1, 2), port);
  CHECK(logs[1].next<chain>().datagrams.at(0) == transport(1, 2));
  CHECK(logs[0].count<chain>() == 0);
  over.set_value();
  CHECK(logs[0].next<chain>().datagrams.at(0) == transport(0, 1));
}

TEST_CASE_METHOD(divided,
                 "Of strangers' transport messages few are on their way "
                 "to peers, and handshakes pass them") {
  std::vector<incoming_datagrams> held;
  peers[0]->on<incoming_datagrams>(
    [&](const incoming_datagrams& message) -> caf::result<void> {
      held.push_back(message);
      return caf::unit;
    });
  stranger sender;
  sender.send(transport(0, 0), port);
  REQUIRE(eventually(
    [&] { return peers[0]->run([&] { return held.size(); }) == 1; }));
  for (std::uint64_t i = 0; i < 100; ++i)
    sender.send(transport(1, i), port);
  sender.send(handshake(1, 148), port);
  CHECK(gate.next<incoming_handshakes>().messages.size() == 1);
  CHECK(stranger_drops()[drop_reason::overload] == 100);
  CHECK(logs[1].count<chain>() == 0);
  peers[0]->run([&] { held.clear(); });
  sender.send(transport(1, 7), port);
  CHECK(logs[1].next<chain>().datagrams.at(0) == transport(1, 7));
}

TEST_CASE_METHOD(divided,
                 "Cookie replies leave by the strangers' port, from the "
                 "same number") {
  stranger receiver;
  cookie_reply reply;
  reply.message.fill(std::byte{3});
  reply.path.remote = receiver.address();
  caf::anon_send(strangers, send_cookie_replies{{reply, reply}});
  for (int i = 0; i < 2; ++i)
    CHECK(receiver.receive() == bytes(64, std::byte{3}));
  CHECK(receiver.last_sender().port == port);
  // Of the other family there is no socket.
  reply.path.remote = *parse_endpoint("[::1]:9");
  caf::anon_send(strangers, send_cookie_replies{{reply}});
  settle();
}

TEST_CASE_METHOD(loopback_port,
                 "A strangers' port without sockets leaves everything to "
                 "the packets' port") {
  const auto strangers = home.spawn<stranger_port>(loop.loop, actor);
  caf::anon_send(strangers, gate_started{gate.handle()});
  stranger sender;
  sender.send(handshake(1, 148), port);
  CHECK(gate.next<incoming_handshakes>().from == actor);
  cookie_reply reply;
  reply.message.fill(std::byte{3});
  reply.path.remote = sender.address();
  caf::anon_send(strangers, send_cookie_replies{{reply}});
  CHECK(sender.receive() == bytes(64, std::byte{3}));
}

TEST_CASE_METHOD(loopback_port,
                 "A port that is changed before the strangers' port "
                 "is there still leaves strangers to it") {
  const auto any = *parse_endpoint("127.0.0.1:0");
  auto sockets = open_udp_sockets(any, 0);
  REQUIRE(sockets);
  auto opened = open_stranger_sockets(*sockets);
  REQUIRE(opened);
  const auto early
    = home.spawn<udp_port>(loop.loop, space, std::move(*sockets), any, 0u,
                           udp_features{},
                           std::make_shared<udp_sockets>(std::move(*opened)));
  const auto at = home.ask<std::uint16_t>(early, rebind{any, 0});
  const auto strangers = home.spawn<stranger_port>(loop.loop, early);
  caf::anon_send(strangers, gate_started{gate.handle()});
  stranger sender;
  // What comes before it knows the gate is dropped.
  CHECK(eventually([&] {
    sender.send(handshake(1, 148), at);
    return gate.count<incoming_handshakes>() > 0;
  }));
  CHECK(gate.next<incoming_handshakes>().from == strangers);
}

TEST_CASE_METHOD(divided, "When both ports have ended theirs is free") {
  home.end(actor);
  home.end(strangers);
  CHECK(eventually([&] {
    udp_socket::options wanted;
    wanted.port = port;
    return udp_socket::open(wanted).has_value();
  }));
}
