#include "actors/packets/packet_port.hpp"

#include "messages/errors.hpp"
#include "tests/actors/packets.hpp"
#include "tests/actors/support.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::uint32_t slots = 6; // 10.0.0.10/32 to 10.0.0.15/32
constexpr std::uint32_t mtu = 1420;

bytes packet_for(std::uint32_t slot, std::uint32_t number,
                 std::size_t payload = 4) {
  return numbered_packet(1, static_cast<std::uint8_t>(10 + slot), number,
                         payload);
}

/// A port with peers that record their packets, without padding.
struct ported {
  ported() {
    peer_table table;
    allowed_ips allowed;
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      peers.push_back(std::make_unique<fake<peer_actor>>(home));
      auto* log = &logs[slot];
      peers[slot]->on<outgoing_packets>(
        [log](const outgoing_packets& message) -> caf::result<void> {
          record(*log, message); // and lets go of the batch
          return caf::unit;
        });
      table.set(slot, peers[slot]->handle());
      allowed.insert(*parse_ip_prefix("10.0.0." + std::to_string(10 + slot)),
                     slot);
    }
    port = home.spawn<packet_port>(loop.loop, mtu, packet_consumer{});
    caf::anon_send(
      tun_reader_actor{port},
      routes_changed{std::make_shared<routes>(allowed, table, nullptr)});
  }

  static void record(message_log& log, const outgoing_packets& message) {
    const auto& datagrams = message.batch->datagrams;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      const auto padded = datagrams[i].subspan(
        transport_header_size, datagrams[i].size() - transport_overhead);
      const auto packet = padded.first(parse_ip_packet(padded)->length);
      log.push(bytes(packet.begin(), packet.end()));
    }
  }
  /// The peer keeps its batches, which the pool then misses.
  void hoard(std::uint32_t slot) {
    peers[slot]->on<outgoing_packets>(
      [this](const outgoing_packets& message) -> caf::result<void> {
        held.push_back(message);
        return caf::unit;
      });
  }
  /// Uses up the pool, with a batch for each message.
  void exhaust_pool() {
    hoard(0);
    for (std::uint32_t i = 0; i < packet_router::pool_size; ++i)
      CHECK(send({packet_for(0, i)}) == 1);
    CHECK(eventually([&] {
      return peers[0]->run([&] { return held.size(); })
             == packet_router::pool_size;
    }));
  }
  void let_go() {
    peers[0]->run([&] { held.clear(); });
  }

  std::uint32_t send(const std::vector<bytes>& packets) {
    return home.ask<std::uint32_t>(port, send_packets{batch_of(packets)});
  }
  /// Sends packets, and does not wait for the answer.
  auto begin_to_send(const std::vector<bytes>& packets) {
    return home.self()->request(port, patience,
                                send_packets{batch_of(packets)});
  }
  std::uint64_t drops(drop_reason reason) {
    return home.ask<drop_report>(tun_reader_actor{port}, report_request{})
      .drops[reason];
  }
  /// A packet comes from a peer.  Whether it was taken.
  bool arrive(const bytes& packet) {
    incoming_ptr batch{new incoming_batch(packet.size())};
    std::copy(packet.begin(), packet.end(), batch->memory().begin());
    batch->datagrams.push_back({batch->memory()});
    caf::anon_send(port, for_host(batch, peers[0]->handle()));
    CHECK_FALSE(home.command(port, finish_writing{}));
    peers[0]->settle();
    std::uint64_t refused = 0;
    for (const auto& some : peers[0]->take<packets_refused>()) {
      CHECK(some.rejected == 0);
      refused += some.busy;
    }
    CHECK(refused <= 1);
    return refused == 0;
  }

  std::vector<outgoing_packets> held;  // outlives the actors
  std::array<message_log, slots> logs; // they as well
  world home;
  test_loop loop = home.start_loop();
  std::vector<std::unique_ptr<fake<peer_actor>>> peers;
  packet_port_base port;
};

/// A consumer that does not answer before it is told to.
struct hesitant_consumer {
  explicit hesitant_consumer(world& home) : actor(home) {
    actor.on<received_packets>(
      [this](const received_packets& message) -> caf::result<void> {
        log.push(all_of(message.packets));
        promise = actor.self()->make_response_promise();
        return promise;
      });
  }
  void answer(std::optional<caf::error> error = {}) {
    actor.run([&] {
      if (error)
        promise.deliver(std::move(*error));
      else
        promise.deliver(caf::unit);
    });
  }
  std::vector<bytes> next() {
    return log.next<std::vector<bytes>>();
  }
  bool has_more() {
    actor.settle();
    return log.count<std::vector<bytes>>() > 0;
  }

  message_log log;
  caf::response_promise promise;
  fake<packet_consumer> actor;
};

} // namespace

TEST_CASE("A packet batch holds packets in order, up to its limits") {
  packet_batch batch;
  CHECK(batch.empty());
  CHECK_FALSE(batch.add({}));
  CHECK(batch.add(bytes(3, std::byte{1})));
  CHECK(batch.add(bytes(packet_batch::max_packet, std::byte{2})));
  CHECK_FALSE(batch.add(bytes(packet_batch::max_packet + 1)));
  CHECK(batch.size() == 2);
  CHECK(all_of(batch)
        == std::vector{bytes(3, std::byte{1}),
                       bytes(packet_batch::max_packet, std::byte{2})});
  std::size_t used = 3 + packet_batch::max_packet;
  while (batch.add(bytes(1000)))
    used += 1000;
  CHECK(used <= packet_batch::max_bytes);
  CHECK(used > packet_batch::max_bytes - 1000);
  CHECK(batch.add(bytes(packet_batch::max_bytes - used)));
  CHECK_FALSE(batch.add(bytes(1)));

  packet_batch small;
  for (std::size_t i = 0; i < packet_batch::max_packets; ++i)
    CHECK(small.add(bytes(1)));
  CHECK_FALSE(small.add(bytes(1)));
}

TEST_CASE("Packets of the embedding service reach the peers of their "
          "destinations, each one's in order") {
  ported one;
  // More peers than batches that are filled at a time.
  std::array<std::vector<bytes>, slots> expected;
  std::vector<bytes> packets;
  for (std::uint32_t i = 0; i < packet_batch::max_packets; ++i) {
    const auto slot = i * i % 11 % slots;
    packets.push_back(packet_for(slot, i, 4 + i % 60));
    expected.at(slot).push_back(packets.back());
  }
  CHECK(one.send(packets) == packets.size());
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    std::vector<bytes> got;
    while (got.size() < expected.at(slot).size())
      got.push_back(one.logs.at(slot).next<bytes>());
    CHECK(got == expected.at(slot));
  }
}

TEST_CASE("Packets of the embedding service that have no way to go are "
          "counted, and the others are sent") {
  ported one;
  const auto fits = packet_for(1, 7, mtu - 28);
  CHECK(fits.size() == mtu);
  const auto sent = one.send(
    {packet_for(0, 1), packet_for(slots, 2), // nobody's
     bytes(40), packet_for(1, 3, mtu - 27), fits, packet_for(99, 4)});
  CHECK(sent == 2);
  CHECK(one.logs[0].next<bytes>() == packet_for(0, 1));
  CHECK(one.logs[1].next<bytes>() == fits);
  CHECK(one.drops(drop_reason::no_route) == 2);
  CHECK(one.drops(drop_reason::malformed_packet) == 1);
  CHECK(one.drops(drop_reason::oversized) == 1);
  CHECK(one.send({}) == 0);
  caf::anon_send(tun_reader_actor{one.port}, mtu_changed{mtu + 1});
  CHECK(one.send({packet_for(1, 3, mtu - 27)}) == 1);
}

TEST_CASE("Without a free batch the answer waits, and the rest is sent once "
          "there is one") {
  ported one;
  one.exhaust_pool();
  auto answer = one.begin_to_send({packet_for(1, 1), packet_for(slots, 0),
                                   packet_for(2, 2), packet_for(1, 3)});
  CHECK(one.drops(drop_reason::no_route) == 0); // it has come to the first
  for (auto* peer : {one.peers[1].get(), one.peers[2].get()})
    peer->settle();
  CHECK(one.logs[1].count<bytes>() == 0);
  CHECK(one.logs[2].count<bytes>() == 0);
  one.let_go();
  std::uint32_t accepted = 0;
  answer.receive([&](std::uint32_t count) { accepted = count; },
                 [](const caf::error&) { FAIL("refused"); });
  CHECK(accepted == 3);
  CHECK(one.logs[1].next<bytes>() == packet_for(1, 1));
  CHECK(one.logs[1].next<bytes>() == packet_for(1, 3));
  CHECK(one.logs[2].next<bytes>() == packet_for(2, 2));
  CHECK(one.drops(drop_reason::no_route) == 1);
}

TEST_CASE("A service that does not wait for answers is refused, and cannot "
          "make the port grow") {
  ported one;
  one.exhaust_pool();
  std::vector<decltype(one.begin_to_send({}))> answers;
  for (std::uint32_t i = 0; i < packet_port::max_waiting; ++i)
    answers.push_back(one.begin_to_send({packet_for(1, i)}));
  const auto refused = one.home.try_ask<std::uint32_t>(
    one.port, send_packets{batch_of({packet_for(1, 98), packet_for(1, 99)})});
  REQUIRE_FALSE(refused);
  CHECK(error_code(refused.error()) == ENOBUFS);
  CHECK_THAT(error_message(refused.error()), Catch::Contains("wait"));
  CHECK(one.drops(drop_reason::queue_full) == 2);
  one.let_go();
  for (std::uint32_t i = 0; i < packet_port::max_waiting; ++i) {
    std::uint32_t accepted = 0;
    answers[i].receive([&](std::uint32_t count) { accepted = count; },
                       [](const caf::error&) { FAIL("refused"); });
    CHECK(accepted == 1);
    CHECK(one.logs[1].next<bytes>() == packet_for(1, i));
  }
  CHECK(one.send({packet_for(1, 100)}) == 1);
  CHECK(one.logs[1].next<bytes>() == packet_for(1, 100));
}

TEST_CASE("Whoever waits for an answer of a port that ends is told so") {
  ported one;
  one.exhaust_pool();
  auto answer = one.begin_to_send({packet_for(1, 1)});
  one.drops(drop_reason::no_route);
  one.home.end(one.port);
  caf::error failure;
  answer.receive([](std::uint32_t) { FAIL("it was sent"); },
                 [&](const caf::error& error) { failure = error; });
  CHECK(error_code(failure) == ENODEV);
}

TEST_CASE("The consumer gets the packets that arrive, and the next ones when "
          "it has answered") {
  ported one;
  hesitant_consumer consumer{one.home};
  // Nobody consumes yet: they wait.
  CHECK(one.arrive(packet_for(0, 1)));
  CHECK(one.arrive(packet_for(0, 2)));
  CHECK_FALSE(
    one.home.command(one.port, set_consumer{consumer.actor.handle()}));
  CHECK(consumer.next() == std::vector{packet_for(0, 1), packet_for(0, 2)});
  for (std::uint32_t i = 3; i < 9; ++i)
    CHECK(one.arrive(packet_for(0, i, 200)));
  // To be told again who consumes is no answer.
  CHECK_FALSE(
    one.home.command(one.port, set_consumer{consumer.actor.handle()}));
  CHECK_FALSE(consumer.has_more());
  consumer.answer();
  const auto rest = consumer.next();
  REQUIRE(rest.size() == 6);
  for (std::uint32_t i = 3; i < 9; ++i)
    CHECK(rest[i - 3] == packet_for(0, i, 200));
  consumer.answer();
  // The port sleeps, and the next packet wakes it.
  CHECK(one.loop.falls_asleep());
  CHECK(one.arrive(packet_for(0, 9)));
  CHECK(consumer.next() == std::vector<bytes>{packet_for(0, 9)});
}

TEST_CASE("What a slow consumer has no room for is dropped, and the packet's "
          "peer hears of it") {
  ported one;
  hesitant_consumer consumer{one.home};
  CHECK_FALSE(
    one.home.command(one.port, set_consumer{consumer.actor.handle()}));
  one.arrive(packet_for(0, 1));
  consumer.next();
  for (std::uint32_t i = 0; i < packet_batch::max_packets; ++i)
    REQUIRE(one.arrive(packet_for(0, i)));
  for (std::uint32_t i = 0; i < 5; ++i)
    CHECK_FALSE(one.arrive(packet_for(0, i)));
  consumer.answer();
  CHECK(consumer.next().size() == packet_batch::max_packets);
  CHECK(one.arrive(packet_for(0, 1)));
  consumer.answer();
  CHECK(consumer.next().size() == 1);
}

TEST_CASE("A consumer that fails with packets has lost them, and gets the next "
          "ones") {
  ported one;
  hesitant_consumer consumer{one.home};
  CHECK_FALSE(
    one.home.command(one.port, set_consumer{consumer.actor.handle()}));
  one.arrive(packet_for(0, 1));
  consumer.next();
  one.arrive(packet_for(0, 2));
  one.arrive(packet_for(0, 3));
  consumer.answer(make_error(EIO, "no"));
  CHECK(consumer.next().size() == 2);
  CHECK(one.drops(drop_reason::device_busy) == 1);
}

TEST_CASE("A consumer that ends is forgotten, and another one takes its "
          "place") {
  ported one;
  std::optional<hesitant_consumer> former{std::in_place, one.home};
  CHECK_FALSE(one.home.command(one.port, set_consumer{former->actor.handle()}));
  one.arrive(packet_for(0, 1));
  former->next();
  one.arrive(packet_for(0, 2));
  former->actor.end();
  one.drops(drop_reason::device_busy);
  one.arrive(packet_for(0, 3));
  hesitant_consumer next{one.home};
  CHECK_FALSE(one.home.command(one.port, set_consumer{next.actor.handle()}));
  CHECK(next.next() == std::vector{packet_for(0, 2), packet_for(0, 3)});
  next.answer();
  // Null: nobody, until there is one again.
  CHECK_FALSE(one.home.command(one.port, set_consumer{}));
  one.arrive(packet_for(0, 4));
  one.drops(drop_reason::device_busy);
  CHECK_FALSE(next.has_more());
  CHECK_FALSE(one.home.command(one.port, set_consumer{next.actor.handle()}));
  CHECK(next.next() == std::vector<bytes>{packet_for(0, 4)});
}

TEST_CASE("Packets that arrive after the consumer's end wait for the next "
          "one") {
  ported one;
  hesitant_consumer former{one.home};
  // CAF tells the observer last that was there first, so that the port knows
  // when the test does.
  one.home.self()->monitor(former.actor.handle());
  CHECK_FALSE(one.home.command(one.port, set_consumer{former.actor.handle()}));
  caf::anon_send_exit(former.actor.handle(), caf::exit_reason::kill);
  one.home.self()->receive([](const caf::down_msg&) {},
                           caf::after(patience) >> [] { FAIL("no end"); });
  one.arrive(packet_for(0, 1));
  one.drops(drop_reason::device_busy);
  hesitant_consumer next{one.home};
  CHECK_FALSE(one.home.command(one.port, set_consumer{next.actor.handle()}));
  CHECK(next.next() == std::vector<bytes>{packet_for(0, 1)});
  CHECK(one.drops(drop_reason::device_busy) == 0);
}

TEST_CASE("A slow consumer holds no receive batch") {
  ported one;
  hesitant_consumer consumer{one.home};
  CHECK_FALSE(
    one.home.command(one.port, set_consumer{consumer.actor.handle()}));
  const auto pool = std::make_shared<incoming_pool>(1);
  for (std::uint32_t i = 0; i < 3; ++i) {
    auto batch = pool->acquire();
    REQUIRE(batch);
    const auto packet = packet_for(0, i);
    const auto place = batch->memory().first(packet.size());
    std::copy(packet.begin(), packet.end(), place.begin());
    batch->datagrams.push_back({place});
    caf::anon_send(one.port,
                   for_host(std::move(batch), one.peers[0]->handle()));
    CHECK_FALSE(one.home.command(one.port, finish_writing{}));
  }
  CHECK(consumer.next() == std::vector<bytes>{packet_for(0, 0)});
  consumer.answer();
  CHECK(consumer.next() == std::vector{packet_for(0, 1), packet_for(0, 2)});
}

TEST_CASE("A port that has ended takes no packets from peers any more") {
  ported one;
  CHECK(one.arrive(packet_for(0, 1)));
  one.home.end(one.port);
  const auto pool = std::make_shared<incoming_pool>(1);
  auto batch = pool->acquire();
  batch->datagrams.push_back({batch->memory().first(40)});
  caf::anon_send(one.port, for_host(std::move(batch), one.peers[0]->handle()));
  CHECK(one.home.command(one.port, finish_writing{})); // there is nobody
  CHECK(pool->acquire());
}
