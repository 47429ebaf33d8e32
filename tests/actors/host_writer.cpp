#include "actors/packets/host_writer.hpp"

#include "tests/actors/packets.hpp"
#include "tests/actors/support.hpp"

#include <algorithm>
#include <latch>

using namespace weft;
using namespace weft::test;
using status = tun_device::io_status;

namespace {

/// Consecutive TCP segments of one flow, which can be joined.
std::vector<bytes> segments(std::size_t count) {
  std::vector<bytes> all;
  inner_packet packet;
  packet.payload.assign(500, std::byte{7});
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(build(packet));
    packet.sequence += 500;
    ++packet.identification;
  }
  return all;
}

/// A writer whose host records what is written, and takes it or not.
struct writing {
  explicit writing(bool offload = true)
    : writer(home.spawn<host_writer>(
      loop.loop,
      packet_sink{{offload, offload}, [this](const super_packet& packet) {
                    return take(packet);
                  }})) {
  }

  /// Sends packets in one message, and waits until it is dealt with.
  void write(const std::vector<bytes>& packets) {
    auto batch = pool->acquire();
    REQUIRE(batch);
    std::size_t used = 0;
    for (const auto& packet : packets) {
      const auto place = batch->memory().subspan(used, packet.size());
      std::copy(packet.begin(), packet.end(), place.begin());
      used += packet.size();
      if (!batch->datagrams.empty())
        batch->datagrams.back().next
          = static_cast<std::uint16_t>(batch->datagrams.size());
      batch->datagrams.push_back({place});
    }
    caf::anon_send(writer, for_host(std::move(batch), peer.handle()));
    REQUIRE_FALSE(home.command(writer, finish_writing{}));
    peer.settle();
  }
  void host_answers(std::function<status()> answer) {
    loop.run([&] { host = std::move(answer); });
  }

  message_log written; ///< the packets of each write, as vectors
  std::function<status()> host = [] { return status::ok; };
  std::shared_ptr<incoming_pool> pool = std::make_shared<incoming_pool>(1);
  world home;
  test_loop loop = home.start_loop();
  fake<peer_actor> peer{home};
  host_writer_actor writer;

private:
  status take(const super_packet& packet) {
    std::vector<bytes> fragments;
    for (const auto& fragment : packet.fragments)
      fragments.emplace_back(fragment.begin(), fragment.end());
    written.push(std::move(fragments));
    return host();
  }
};

using fragments = std::vector<bytes>;

} // namespace

TEST_CASE("Packets of one message are joined where the host takes them "
          "joined, and the batch is free afterwards") {
  writing joined;
  joined.write(segments(5));
  const auto whole = joined.written.take<fragments>();
  REQUIRE(whole.size() == 1);
  CHECK(whole[0].size() == 5);
  joined.write(segments(2)); // the pool's only batch has come back
  CHECK(joined.written.count<fragments>() == 1);
  CHECK(joined.peer.count<packets_refused>() == 0);

  writing apart{false};
  apart.write(segments(5));
  const auto all = apart.written.take<fragments>();
  REQUIRE(all.size() == 5);
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i] == fragments{segments(5)[i]});
}

TEST_CASE("Chains of several peers leave with one message, in their order, and "
          "each peer hears of its own") {
  host_outbox outbox;
  writing one;
  fake<peer_actor> other{one.home};
  one.host_answers([] { return status::would_block; });
  std::optional<incoming_packets> message;
  for (std::uint32_t i = 0; i < 5; ++i) {
    const auto packet = numbered_packet(1, 2, i);
    incoming_ptr batch{new incoming_batch(packet.size())};
    std::copy(packet.begin(), packet.end(), batch->memory().begin());
    batch->datagrams.push_back({batch->memory()});
    auto sent
      = outbox.add({batch, 0, i % 2 == 0 ? one.peer.handle() : other.handle()});
    CHECK((sent.chains != nullptr) == (i == 0));
    if (sent.chains)
      message = sent;
  }
  caf::anon_send(one.writer, std::move(*message));
  message.reset();
  REQUIRE_FALSE(one.home.command(one.writer, finish_writing{}));
  for (std::uint32_t i = 0; i < 5; ++i)
    CHECK(one.written.next<fragments>() == fragments{numbered_packet(1, 2, i)});
  one.peer.settle();
  other.settle();
  CHECK(one.peer.take<packets_refused>().size() == 3);
  CHECK(other.take<packets_refused>().size() == 2);
  // The next one begins a message again.
  CHECK(outbox.add({incoming_ptr{new incoming_batch(1)}, 0, {}}).chains);
}

TEST_CASE("What is in a message that nobody takes ends with it") {
  const auto pool = std::make_shared<incoming_pool>(1);
  host_outbox outbox;
  for (int i = 0; i < 3; ++i) {
    auto batch = pool->acquire();
    REQUIRE(batch);
    const auto message = outbox.add({std::move(batch), 0, {}});
    CHECK(message.chains->size() == 1);
    CHECK_FALSE(pool->acquire());
  }
  CHECK(pool->acquire());
}

TEST_CASE("A peer hears how many of its packets the host refused, and only "
          "then") {
  writing one;
  one.host_answers([] { return status::rejected; });
  one.write(segments(3));
  auto refused = one.peer.next<packets_refused>();
  CHECK(refused.rejected == 3);
  CHECK(refused.busy == 0);
  one.host_answers([busy = true]() mutable {
    return std::exchange(busy, false) ? status::would_block : status::ok;
  });
  one.write({numbered_packet(1, 2, 1), numbered_packet(1, 3, 2)});
  refused = one.peer.next<packets_refused>();
  CHECK(refused.rejected == 0);
  CHECK(refused.busy == 1);
  one.write(segments(3));
  CHECK(one.peer.count<packets_refused>() == 0);
}

TEST_CASE("A message that cannot be written costs its own packets, and the "
          "next one is written as ever") {
  writing one;
  one.host_answers([writes = 0]() mutable {
    if (++writes == 2)
      throw std::runtime_error("broken");
    return status::ok;
  });
  one.write({numbered_packet(1, 2, 1), numbered_packet(1, 3, 2),
             numbered_packet(1, 4, 3)});
  const auto refused = one.peer.next<packets_refused>();
  CHECK(refused.rejected == 2); // all but the first
  CHECK(refused.busy == 0);
  one.written.take<fragments>();
  one.write(segments(3));
  const auto next = one.written.take<fragments>();
  REQUIRE(next.size() == 1);
  CHECK(next[0].size() == 3);
  CHECK(one.peer.count<packets_refused>() == 0);
}

namespace {

/// A writer with two helpers whose host waits for the test's word.
struct helped_writing {
  explicit helped_writing(std::size_t count = 2) {
    std::vector<host_writer_actor> helpers;
    for (std::size_t i = 0; i < count; ++i) {
      loops.push_back(home.start_loop());
      helpers.emplace_back(home.spawn<host_writer>(
        loops.back().loop, packet_sink{{}, [this](const super_packet& packet) {
                                         gate.wait();
                                         return take(packet);
                                       }}));
    }
    writer = home.spawn<host_writer>(
      own.loop,
      packet_sink{{},
                  [this](const super_packet& packet) { return take(packet); }},
      helpers);
  }
  ~helped_writing() {
    open_gate();
  }

  void open_gate() {
    if (!std::exchange(is_open, true))
      gate.count_down();
  }
  /// One packet with a number, of one of the peers.
  void write(fake<peer_actor>& peer, std::uint16_t number) {
    inner_packet packet;
    packet.payload.assign(20, std::byte{7});
    packet.identification = number;
    const auto whole = build(packet);
    incoming_ptr batch{new incoming_batch};
    const auto place = batch->memory().first(whole.size());
    std::copy(whole.begin(), whole.end(), place.begin());
    batch->datagrams.push_back({place});
    caf::anon_send(writer, for_host(std::move(batch), peer.handle()));
  }
  status take(const super_packet& packet) {
    written.push(load_be<std::uint16_t>(packet.fragments[0].data() + 4));
    return status::ok;
  }

  message_log written; ///< the packets' numbers
  std::latch gate{1};
  bool is_open = false;
  world home;
  test_loop own = home.start_loop();
  std::vector<test_loop> loops;
  fake<peer_actor> first{home};
  fake<peer_actor> second{home};
  helped_writer_actor writer;
};

} // namespace

TEST_CASE("A writer writes again only when its helpers have nothing left, and "
          "says that it has finished only then") {
  helped_writing one;
  caf::anon_send(one.writer, write_elsewhere{true});
  for (std::uint16_t i = 0; i < 50; ++i)
    one.write(one.first, i);
  caf::anon_send(one.writer, write_elsewhere{false});
  for (std::uint16_t i = 50; i < 100; ++i)
    one.write(one.first, i);
  one.own.run([] {}); // it has looked at all of them
  CHECK(one.written.count<std::uint16_t>() == 0);
  one.open_gate();
  REQUIRE_FALSE(one.home.command(one.writer, finish_writing{}));
  const auto order = one.written.take<std::uint16_t>();
  REQUIRE(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("Packets of a peer keep their order while it changes who writes "
          "them") {
  helped_writing one;
  one.open_gate();
  constexpr std::uint16_t count = 2000;
  for (std::uint16_t i = 0; i < count; ++i) {
    if (i % 7 == 0)
      caf::anon_send(one.writer, write_elsewhere{i % 2 == 0});
    one.write(one.first, i);
    one.write(one.second, static_cast<std::uint16_t>(count + i));
  }
  REQUIRE_FALSE(one.home.command(one.writer, finish_writing{}));
  std::uint16_t next = 0;
  std::uint16_t next_of_second = count;
  for (const auto number : one.written.take<std::uint16_t>())
    CHECK(number == (number < count ? next++ : next_of_second++));
  CHECK(next == count);
  CHECK(next_of_second == 2 * count);
}

TEST_CASE("A writer without helpers writes by itself, whatever it is told") {
  helped_writing one{0};
  caf::anon_send(one.writer, write_elsewhere{true});
  one.write(one.first, 1);
  REQUIRE_FALSE(one.home.command(one.writer, finish_writing{}));
  CHECK(one.written.count<std::uint16_t>() == 1);
}
