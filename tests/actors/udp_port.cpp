#include "actors/packets/udp_port.hpp"

#include "messages/errors.hpp"
#include "tests/actors/loopback_port.hpp"
#include "tests/platform/support.hpp"

#include <cerrno>
#include <map>

using namespace weft;
using namespace weft::test;

TEST_CASE_METHOD(loopback_port,
                 "Datagrams reach the peers that they are for, each "
                 "one's in order") {
  std::array<stranger, 2> senders;
  constexpr std::uint64_t count = 120;
  // From two senders in turn, for three peers in a pattern of their own; some
  // sizes repeat, so that the kernel may join datagrams.
  std::map<std::uint32_t, std::vector<std::pair<bytes, endpoint>>> expected;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto slot = static_cast<std::uint32_t>(i * i % 7 % slots);
    auto& sender = senders[i / 8 % 2];
    const auto datagram = transport(slot, i, i % 24 < 16 ? 80 : 48 + i);
    expected[slot].emplace_back(datagram, sender.address());
    sender.send(datagram, port);
  }
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    // Order is kept for each sender.
    std::map<endpoint, std::vector<bytes>> got;
    std::map<endpoint, std::vector<bytes>> wanted;
    for (const auto& [datagram, from] : expected[slot])
      wanted[from].push_back(datagram);
    for (std::size_t all = 0; all < expected[slot].size();) {
      const auto next = logs[slot].next<chain>();
      REQUIRE_FALSE(next.datagrams.empty());
      CHECK(next.allowed == snapshot);
      all += next.datagrams.size();
      for (std::size_t i = 0; i < next.datagrams.size(); ++i)
        got[next.senders[i]].push_back(next.datagrams[i]);
    }
    CHECK(got == wanted);
  }
}

TEST_CASE_METHOD(loopback_port,
                 "Whether a core is idle is looked at when something "
                 "is received") {
  const auto looks = std::make_shared<std::atomic<int>>(0);
  loop.run([&] {
    space->desk
      = std::make_shared<cipher_desk>(std::vector<cipher_desk::worker>{});
    space->desk->heed(
      [looks] {
        ++*looks;
        return std::optional{duration{}};
      },
      true);
  });
  CHECK(*looks == 0);
  stranger sender;
  sender.send(transport(0, 1), port);
  logs[0].next<chain>();
  CHECK(*looks >= 1);
  CHECK(home.ask<drop_report>(actor, report_request{}).cores == core_use{});
}

TEST_CASE_METHOD(loopback_port,
                 "Handshake messages go to the gate as they came") {
  stranger sender;
  const std::vector<bytes> sent{handshake(1, 148, 7), handshake(2, 92, 8),
                                handshake(3, 64, 9)};
  for (const auto& message : sent)
    sender.send(message, port);
  for (std::size_t i = 0; i < sent.size();) {
    const auto got = gate.next<incoming_handshakes>();
    CHECK(got.from == actor);
    for (const auto& message : got.messages) {
      const auto view = message.view();
      CHECK(bytes(view.begin(), view.end()) == sent[i++]);
      CHECK(message.path.remote == sender.address());
      CHECK(message.path.local == source_address{sender.address().address, 1});
    }
  }
}

TEST_CASE_METHOD(loopback_port,
                 "What is no WireGuard message is dropped and counted") {
  stranger sender;
  const std::vector<bytes> wrong{
    bytes(1),          bytes(31, std::byte{4}), handshake(4, 31),
    handshake(1, 147), handshake(1, 149),       handshake(2, 148),
    handshake(3, 92),  handshake(0, 148),       handshake(5, 64),
    bytes(1500),       bytes(148, std::byte{1})};
  for (const auto& datagram : wrong)
    sender.send(datagram, port);
  CHECK(comes_to_drop(drop_reason::malformed_message, wrong.size()));
  gate.settle();
  CHECK(gate.count<incoming_handshakes>() == 0);
}

TEST_CASE_METHOD(loopback_port,
                 "A datagram for no session is counted, and the gate "
                 "hears where it came from") {
  stranger sender;
  for (std::uint64_t i = 0; i < 10; ++i)
    sender.send(transport(slots, i), port);
  sender.send(transport(receiver_index_codec::max_slots - 1, 0), port);
  CHECK(comes_to_drop(drop_reason::unknown_index, 11));
  CHECK(gate.next<incoming_handshakes>().unknown
        == std::vector<endpoint>{sender.address()});
}

TEST_CASE_METHOD(loopback_port,
                 "Of senders without a session the gate is told a "
                 "bounded number until it has looked at them") {
  std::array<stranger, 2> senders;
  std::size_t told = 0;
  const auto count = [&] {
    for (const auto& got : gate.take<incoming_handshakes>())
      told += got.unknown.size();
  };
  constexpr auto most = datagram_sorter::max_waiting_unknown;
  for (std::uint64_t sent = 0; sent < most + 200;) {
    for (int i = 0; i < 50; ++i, ++sent) // in turn: each is told of
      senders[sent % 2].send(transport(slots, sent), port);
    REQUIRE(comes_to_drop(drop_reason::unknown_index, sent));
    gate.settle();
    count();
  }
  CHECK(told == most);
  give_back(0, 1);
  senders[0].send(transport(slots, 0), port);
  CHECK(gate.next<incoming_handshakes>().unknown.size() == 1);
}

TEST_CASE_METHOD(loopback_port,
                 "Before there are routes datagrams are dropped") {
  caf::anon_send(actor, routes_changed{nullptr});
  CHECK(drops(drop_reason::overload) == 0); // it has heard of it
  stranger sender;
  sender.send(transport(0, 0), port);
  CHECK(comes_to_drop(drop_reason::overload, 1));
}

TEST_CASE_METHOD(loopback_port,
                 "A flood of handshake messages is bounded until the "
                 "gate has dealt with some") {
  stranger sender;
  std::size_t passed = 0;
  constexpr std::size_t flood = datagram_sorter::max_waiting_handshakes + 404;
  for (std::size_t sent = 0; sent < flood;) {
    // Few at a time, so that the kernel's buffer does not overflow.
    for (int i = 0; i < 50 && sent < flood; ++i, ++sent)
      sender.send(handshake(1, 148), port);
    REQUIRE(eventually([&] {
      const auto dropped = drops(drop_reason::handshake_overload);
      gate.settle();
      for (const auto& got : gate.take<incoming_handshakes>())
        passed += got.messages.size();
      return passed + dropped == sent;
    }));
  }
  CHECK(passed == datagram_sorter::max_waiting_handshakes);
  // Data still passes.
  sender.send(transport(1, 5), port);
  CHECK(logs[1].next<chain>().datagrams.size() == 1);
  give_back(1);
  sender.send(handshake(1, 148), port);
  CHECK(gate.next<incoming_handshakes>().messages.size() == 1);
  sender.send(handshake(1, 148), port);
  CHECK(comes_to_drop(drop_reason::handshake_overload, flood - passed + 1));
  // More than were passed cannot be given back.
  give_back(1'000'000);
  sender.send(handshake(1, 148), port);
  CHECK(gate.next<incoming_handshakes>().messages.size() == 1);
}

namespace {

/// A port whose desk has a job for the other peer, while the first one holds
/// all chains that it gets.
struct scarce {
  scarce() {
    one.peers[0]->on<incoming_datagrams>(
      [this](const incoming_datagrams& message) -> caf::result<void> {
        held.push_back(message);
        return caf::unit;
      });
    job = one.loop.run([this] {
      auto& desk = *one.space->desk;
      const auto now = one.loop.loop->now();
      auto left = desk.find_place(now);
      outgoing_ptr batch{new outgoing_batch};
      std::ignore = batch->datagrams.add(100, 112);
      left->what = cipher_job::sealing{
        batch, {std::make_shared<const secret<key_size>>(), 1, 1}};
      left->owner = caf::actor_cast<caf::actor>(one.peers[1]->handle());
      desk.hand_over(left, nullptr, now);
      return left;
    });
  }
  std::size_t holds() {
    return one.peers[0]->run([this] { return held.size(); });
  }
  bool comes() {
    sender.send(one.transport(0, ++sent), one.port);
    return eventually([this] { return holds() == sent; });
  }
  /// Until few batches are left.
  void fill() {
    while (sent < udp_port::shared_pool_size - cipher_desk::left_for_others) {
      CHECK_FALSE(job->is_begun());
      REQUIRE(comes());
    }
    CHECK_FALSE(job->is_begun());
  }

  std::vector<incoming_datagrams> held; // outlives the actors
  loopback_port one{false, true};
  stranger sender;
  std::uint64_t sent = 0;
  cipher_job_ptr job;
};

} // namespace

TEST_CASE_METHOD(scarce, "Before peers would have to leave nothing to others, "
                         "reception does what a worker has not begun") {
  fill();
  REQUIRE(comes());
  CHECK(one.peers[1]->next<cipher_done>().job == job);
  CHECK(job->has_ended());
}

TEST_CASE_METHOD(scarce, "Before peers would have to leave nothing to others, "
                         "reception waits a little for what a worker does") {
  fill();
  auto begun = job->begin();
  REQUIRE(begun);
  const auto before = one.loop.loop->now();
  REQUIRE(comes()); // others have packets, too
  CHECK(one.loop.loop->now() - before >= udp_port::longest_wait);
  begun->perform();
}

TEST_CASE_METHOD(loopback_port,
                 "Reception pauses while all batches are in use, and "
                 "goes on by itself") {
  std::vector<incoming_datagrams> held;
  peers[0]->on<incoming_datagrams>(
    [&](const incoming_datagrams& message) -> caf::result<void> {
      held.push_back(message);
      return caf::unit;
    });
  const auto holds = [&] { return peers[0]->run([&] { return held.size(); }); };
  stranger sender;
  for (std::uint64_t i = 0; i < udp_port::pool_size; ++i) {
    sender.send(transport(0, i), port);
    REQUIRE(eventually([&] { return holds() == i + 1; }));
  }
  constexpr std::uint64_t more = 10;
  for (std::uint64_t i = 0; i < more; ++i)
    sender.send(transport(1, i), port);
  CHECK(loop.falls_asleep()); // although the socket can be read
  CHECK(logs[1].count<chain>() == 0);
  peers[0]->run([&] { held.clear(); });
  std::vector<bytes> got;
  while (got.size() < more) {
    for (auto& datagram : logs[1].next<chain>().datagrams)
      got.push_back(datagram);
  }
  for (std::uint64_t i = 0; i < more; ++i)
    CHECK(got[i] == transport(1, i));
}

TEST_CASE_METHOD(loopback_port,
                 "Datagrams are sent in order, and their batch comes "
                 "back") {
  stranger receiver;
  const auto pool = std::make_shared<outgoing_pool>(1);
  for (int round = 0; round < 3; ++round) {
    outgoing_ptr batch;
    REQUIRE(eventually([&] { return (batch = pool->acquire()) != nullptr; }));
    std::vector<bytes> expected;
    for (std::size_t size : {100u, 100u, 100u, 50u, 1400u, 1400u, 33u}) {
      expected.emplace_back(size, static_cast<std::byte>(expected.size() + 1));
      const auto room = batch->datagrams.add_message(size);
      std::copy(expected.back().begin(), expected.back().end(), room.begin());
    }
    caf::anon_send(actor, outgoing_datagrams{std::move(batch),
                                             {receiver.address(), {}},
                                             peer_actor{}});
    for (const auto& datagram : expected)
      CHECK(receiver.receive() == datagram);
  }
}

TEST_CASE_METHOD(loopback_port,
                 "A source address that this host does not have is "
                 "given up, and the sender told") {
  stranger receiver;
  outgoing_ptr batch{new outgoing_batch};
  batch->datagrams.add_message(40);
  const source_address wrong{*parse_ip_address("192.0.2.1"), 1};
  caf::anon_send(actor, outgoing_datagrams{batch,
                                           {receiver.address(), wrong},
                                           peers[2]->handle()});
  CHECK(receiver.receive().size() == 40);
  peers[2]->next<source_lost>();
}

TEST_CASE_METHOD(loopback_port,
                 "That a datagram was too big is told to who sent "
                 "there last, also without sockets for strangers") {
  const stranger somebody;
  path_too_narrow said;
  said.where = somebody.address();
  said.mtu = 1400;
  for (const auto slot : {0U, 1U}) { // who goes on after a restart
    outgoing_ptr batch{new outgoing_batch};
    batch->datagrams.add_message(40);
    caf::anon_send(actor, outgoing_datagrams{batch,
                                             {somebody.address(), {}},
                                             peers[slot]->handle()});
    caf::anon_send(actor, said);
    CHECK(peers[slot]->next<path_too_narrow>().mtu == 1400);
  }
}

TEST_CASE_METHOD(loopback_port, "What cannot be sent is counted") {
  outgoing_ptr batch{new outgoing_batch};
  batch->datagrams.add_message(40);
  batch->datagrams.add_message(40);
  // There is no IPv6 socket.
  caf::anon_send(actor, outgoing_datagrams{batch,
                                           {*parse_endpoint("[::1]:9"), {}},
                                           peer_actor{}});
  CHECK(drops(drop_reason::send_failed) == 2);
}

TEST_CASE_METHOD(loopback_port, "Cookie replies are sent to whom they answer") {
  stranger receiver;
  cookie_reply reply;
  reply.message.fill(std::byte{3});
  reply.path.remote = receiver.address();
  caf::anon_send(actor, send_cookie_replies{{reply, reply}});
  CHECK(receiver.receive() == bytes(64, std::byte{3}));
  CHECK(receiver.receive() == bytes(64, std::byte{3}));
}

TEST_CASE_METHOD(loopback_port,
                 "A port that is changed goes on at the new place, and "
                 "gives the former one free") {
  stranger sender;
  const auto former = port;
  for (int round = 0; round < 3; ++round) {
    const auto before = port;
    port = home.ask<std::uint16_t>(actor,
                                   rebind{*parse_endpoint("127.0.0.1:0"), 0});
    CHECK(port != 0);
    CHECK(port != before);
    sender.send(transport(1, 7), port);
    CHECK(logs[1].next<chain>().datagrams.at(0) == transport(1, 7));
  }
  const stranger successor(former);
  CHECK(successor.address().port == former);
  // What is sent leaves from the new port.
  stranger receiver;
  cookie_reply reply;
  reply.path.remote = receiver.address();
  caf::anon_send(actor, send_cookie_replies{{reply}});
  CHECK(receiver.receive().size() == 64);
}

TEST_CASE_METHOD(loopback_port,
                 "A port that is taken is refused, and the former one "
                 "stays in use") {
  stranger holder;
  const auto taken = holder.address().port;
  const auto answer
    = home.try_ask<std::uint16_t>(actor, rebind{holder.address(), 0});
  REQUIRE_FALSE(answer);
  CHECK(error_code(answer.error()) == EADDRINUSE);
  CHECK_THAT(error_message(answer.error()),
             Catch::Contains(std::to_string(taken)));
  stranger sender;
  sender.send(transport(2, 1), port);
  CHECK(logs[2].next<chain>().datagrams.size() == 1);
}

TEST_CASE_METHOD(loopback_port,
                 "An address that cannot be had is refused, and the "
                 "sockets stay as they are") {
  const auto before = socket_of_port();
  REQUIRE_FALSE(before.empty());
  // Of TEST-NET-1: nobody's.
  auto elsewhere = *parse_endpoint("192.0.2.1:1");
  elsewhere.port = port;
  const auto answer = home.try_ask<std::uint16_t>(actor, rebind{elsewhere, 0});
  REQUIRE_FALSE(answer);
  CHECK(error_code(answer.error()) == EADDRNOTAVAIL);
  CHECK(socket_of_port() == before);
}

TEST_CASE_METHOD(loopback_port,
                 "A port that gets another mark where it is keeps its "
                 "sockets, and its lane knows the mark") {
  if (!can_make_networks())
    return; // a mark needs privileges, too
  const auto before = socket_of_port();
  REQUIRE_FALSE(before.empty());
  auto here = *parse_endpoint("127.0.0.1:0");
  here.port = port;
  CHECK(home.ask<std::uint16_t>(actor, rebind{here, 7}) == port);
  CHECK(socket_of_port() == before);
  CHECK(loop.run([&] { return space->fwmark; }) == 7);
  here.port = 0;
  port = home.ask<std::uint16_t>(actor, rebind{here, 8});
  CHECK(socket_of_port() != before);
  CHECK(loop.run([&] { return space->fwmark; }) == 8);
}

TEST_CASE_METHOD(loopback_port,
                 "Handshake messages that come before there is a gate "
                 "are counted") {
  auto sockets = open_udp_sockets(*parse_endpoint("127.0.0.1:0"), 0);
  REQUIRE(sockets);
  const auto at = sockets->port();
  const auto early
    = home.spawn<udp_port>(loop.loop, space, std::move(*sockets),
                           *parse_endpoint("127.0.0.1:0"), 0u, udp_features{},
                           std::shared_ptr<udp_sockets>());
  stranger sender;
  sender.send(handshake(1, 148), at);
  CHECK(eventually([&] {
    return home.ask<drop_report>(early, report_request{})
             .drops[drop_reason::handshake_overload]
           == 1;
  }));
}

TEST_CASE_METHOD(loopback_port, "A port that ends closes its sockets") {
  home.end(actor);
  CHECK(eventually([&] {
    udp_socket::options wanted;
    wanted.port = port;
    return udp_socket::open(wanted).has_value();
  }));
}
