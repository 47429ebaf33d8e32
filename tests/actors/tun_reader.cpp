// Needs root: a TUN device in a network namespace of its own, 10.9.0.0/24.
#include "actors/packets/tun_reader.hpp"

#include "platform/hand_over.hpp"
#include "tests/actors/desk_with.hpp"
#include "tests/actors/support.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/support.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

using bytes = std::vector<std::byte>;
constexpr std::uint32_t slots = 6; // 10.9.0.10 to 10.9.0.15

/// What a peer was handed in one batch.
struct batch_content {
  std::vector<bytes> packets; ///< with their padding
};

batch_content content_of(const outgoing_packets& message) {
  batch_content content;
  const auto& datagrams = message.batch->datagrams;
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    const auto packet = datagrams[i].subspan(
      transport_header_size, datagrams[i].size() - transport_overhead);
    content.packets.emplace_back(packet.begin(), packet.end());
  }
  return content;
}

/// The number in the payload of an inner UDP packet.
std::uint32_t number_in(const bytes& packet) {
  return load_le<std::uint32_t>(packet.data() + 28);
}

struct reading {
  reading() {
    auto made = tun_device::create("weft7");
    REQUIRE(made);
    tun = std::make_shared<const tun_device>(std::move(*made));
    auto network = network_configurator::open();
    REQUIRE(network);
    REQUIRE(
      network->add_address(tun->interface_index(), prefix("10.9.0.1/24")));
    REQUIRE(network->set_up(tun->interface_index(), true));
    peer_table table;
    allowed_ips allowed;
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      peers.push_back(std::make_unique<fake<peer_actor>>(home));
      auto* log = &logs[slot];
      peers[slot]->on<outgoing_packets>(
        [log](const outgoing_packets& message) -> caf::result<void> {
          log->push(content_of(message)); // and lets go of the batch
          return caf::unit;
        });
      table.set(slot, peers[slot]->handle());
      allowed.insert({destination(slot).address, 32}, slot);
    }
    snapshot = std::make_shared<routes>(
      allowed, table, std::make_shared<receiver_index_codec>(random));
    desk = desk_with(worker);
    reader = home.spawn<tun_reader>(
      loop.loop, tun, 1420u, [this] { lost.push(true); }, nullptr, false, desk);
    caf::anon_send(reader, routes_changed{snapshot});
    drops(drop_reason::no_route); // it has them before the first packet
  }

  static endpoint destination(std::uint32_t slot) {
    return {address("10.9.0." + std::to_string(10 + slot)), 4000, 0};
  }
  /// Sends through the host's stack, in datagrams of `size` bytes.
  void send(const endpoint& to, std::uint32_t number, std::size_t size = 4,
            std::size_t count = 1) {
    bytes memory(size * count);
    datagram_buffer buffer{memory};
    for (std::size_t i = 0; i < count; ++i)
      store_le(buffer.add_message(size).data(),
               number + static_cast<std::uint32_t>(i));
    const auto sent = socket.send(buffer, 0, to, std::nullopt);
    REQUIRE(sent.sent == count);
    REQUIRE(sent.failed == 0);
  }
  std::vector<bytes> receive(std::uint32_t slot, std::size_t count) {
    std::vector<bytes> all;
    while (all.size() < count) {
      for (auto& packet : logs[slot].next<batch_content>().packets)
        all.push_back(packet);
    }
    return all;
  }
  drop_report report() {
    return home.ask<drop_report>(reader, report_request{});
  }
  std::uint64_t drops(drop_reason reason) {
    return report().drops[reason];
  }

  network_namespace here;
  std::array<message_log, slots> logs; // outlive the actors
  message_log lost;
  deterministic_random random{31};
  world home;
  test_loop loop = home.start_loop();
  std::shared_ptr<const tun_device> tun;
  udp_socket socket = open_udp(ip_family::v4);
  std::vector<std::unique_ptr<fake<peer_actor>>> peers;
  fake<cipher_worker_actor> worker{home};
  std::shared_ptr<cipher_desk> desk;
  routes_ptr snapshot;
  tun_reader_actor reader;
};

} // namespace

TEST_CASE("Packets from the host reach the peers of their destinations, each "
          "one's in order") {
  if (!can_make_networks())
    return;
  reading one;
  // More peers than batches that are filled at a time.
  constexpr std::uint32_t count = 120;
  std::array<std::vector<std::uint32_t>, slots> expected;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto slot = i * i % 11 % slots;
    expected.at(slot).push_back(i);
    one.send(reading::destination(slot), i);
  }
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    std::vector<std::uint32_t> got;
    for (const auto& packet : one.receive(slot, expected.at(slot).size())) {
      const auto view = parse_ip_packet(packet);
      REQUIRE(view);
      CHECK(view->destination == reading::destination(slot).address);
      CHECK(packet.size() == 32);
      got.push_back(number_in(packet));
    }
    CHECK(got == expected.at(slot));
  }
}

TEST_CASE(
  "Packets stay in order when they are read in groups, and when that is "
  "switched while they come") {
  if (!can_make_networks())
    return;
  reading one;
  const auto use = [&] { return one.report().offloads.at(0); };
  CHECK(use() == offload_use{"uring", false, {}});
  caf::anon_send(one.reader, read_groups{true});
  if (!use().in_use) {
    CHECK_FALSE(use().reason.empty());
    WARN("skipped: " << use().reason);
    return;
  }
  constexpr std::uint32_t count = 600;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i % 100 == 0)
      caf::anon_send(one.reader, read_groups{i % 200 == 0});
    one.send(reading::destination(0), i);
  }
  const auto packets = one.receive(0, count);
  REQUIRE(packets.size() == count);
  for (std::uint32_t i = 0; i < count; ++i)
    CHECK(number_in(packets[i]) == i);
  CHECK(use() == offload_use{"uring", false, {}});
}

TEST_CASE("A super-packet from the host is split into the packets that it "
          "stands for") {
  if (!can_make_networks())
    return;
  reading one;
  one.send(reading::destination(1), 100, 500, 60);
  const auto packets = one.receive(1, 60);
  REQUIRE(packets.size() == 60);
  for (std::uint32_t i = 0; i < 60; ++i) {
    CHECK(number_in(packets[i]) == 100 + i);
    CHECK(parse_ip_packet(packets[i])->length == 528);
  }
}

TEST_CASE("Packets that nobody's allowed IPs hold are counted") {
  if (!can_make_networks())
    return;
  reading one;
  const endpoint nobody{address("10.9.0.99"), 1, 0};
  one.send(nobody, 1);
  CHECK(eventually([&] { return one.drops(drop_reason::no_route) == 1; }));
  // So are those of a peer that is gone, and all while there are no routes.
  allowed_ips allowed;
  allowed.insert(prefix("10.9.0.0/24"), 77);
  caf::anon_send(one.reader, routes_changed{std::make_shared<routes>(
                               allowed, peer_table{}, nullptr)});
  one.drops(drop_reason::no_route);
  one.send(nobody, 1);
  CHECK(eventually([&] { return one.drops(drop_reason::no_route) == 2; }));
  caf::anon_send(one.reader, routes_changed{nullptr});
  one.drops(drop_reason::no_route);
  one.send(nobody, 1);
  CHECK(eventually([&] { return one.drops(drop_reason::no_route) == 3; }));
}

TEST_CASE("Packets are padded to 16 bytes, or to the MTU where that is less") {
  if (!can_make_networks())
    return;
  reading one;
  one.send(reading::destination(0), 1, 70);
  CHECK(one.receive(0, 1)[0].size() == 112);
  caf::anon_send(one.reader, mtu_changed{100});
  one.drops(drop_reason::no_route);
  one.send(reading::destination(0), 1, 70);
  CHECK(one.receive(0, 1)[0].size() == 100);
}

TEST_CASE("The reader waits while all batches are in use, and goes on by "
          "itself") {
  if (!can_make_networks())
    return;
  std::vector<outgoing_packets> held; // outlives the actors
  reading one;
  one.peers[0]->on<outgoing_packets>(
    [&](const outgoing_packets& message) -> caf::result<void> {
      held.push_back(message);
      return caf::unit;
    });
  const auto holds
    = [&] { return one.peers[0]->run([&] { return held.size(); }); };
  for (std::uint32_t i = 0; i < packet_router::pool_size; ++i) {
    one.send(reading::destination(0), i);
    REQUIRE(eventually([&] { return holds() == i + 1; }));
  }
  for (std::uint32_t i = 0; i < 10; ++i)
    one.send(reading::destination(1), i);
  CHECK(one.loop.falls_asleep()); // although the device can be read
  CHECK(one.logs[1].count<batch_content>() == 0);
  one.peers[0]->run([&] { held.clear(); });
  const auto packets = one.receive(1, 10);
  for (std::uint32_t i = 0; i < 10; ++i)
    CHECK(number_in(packets[i]) == i);
}

TEST_CASE("A reader without a free batch does what a worker has not begun") {
  if (!can_make_networks())
    return;
  std::vector<outgoing_packets> held; // outlives the actors
  reading one;
  one.peers[0]->on<outgoing_packets>(
    [&](const outgoing_packets& message) -> caf::result<void> {
      held.push_back(message);
      return caf::unit;
    });
  const auto job = one.loop.run([&] {
    const auto now = one.loop.loop->now();
    auto left = one.desk->find_place(now);
    outgoing_ptr batch{new outgoing_batch};
    std::ignore = batch->datagrams.add(100, 112);
    left->what = cipher_job::sealing{
      batch, {std::make_shared<const secret<key_size>>(), 1, 1}};
    left->owner = caf::actor_cast<caf::actor>(one.peers[1]->handle());
    one.desk->hand_over(left, nullptr, now);
    return left;
  });
  const auto unread = one.worker.next<cipher_work>();
  for (std::uint32_t i = 0; i < packet_router::pool_size; ++i) {
    CHECK_FALSE(job->is_begun());
    one.send(reading::destination(0), i);
    REQUIRE(eventually(
      [&] { return one.peers[0]->run([&] { return held.size() == i + 1; }); }));
  }
  one.send(reading::destination(0), 99);
  CHECK(one.peers[1]->next<cipher_done>().job == job);
  CHECK(job->has_ended());
  CHECK(one.loop.falls_asleep()); // there is nothing else to do
  one.peers[0]->run([&] { held.clear(); });
  CHECK(eventually(
    [&] { return one.peers[0]->run([&] { return held.size() == 1; }); }));
}

TEST_CASE("Whether a core is idle is looked at when packets are read") {
  if (!can_make_networks())
    return;
  std::atomic<int> looks{0};
  reading one;
  one.loop.run([&] {
    one.desk->heed(
      [&looks] {
        ++looks;
        return std::optional{duration{}};
      },
      true);
  });
  one.send(reading::destination(0), 1);
  one.receive(0, 1);
  CHECK(looks >= 1);
}

TEST_CASE("A device that is deleted is reported once, and then left alone") {
  if (!can_make_networks())
    return;
  reading one;
  run("ip link del weft7");
  CHECK(one.lost.next<bool>());
  CHECK(one.loop.falls_asleep());
  CHECK(one.lost.count<bool>() == 0);
  one.drops(drop_reason::no_route); // it still answers
}

TEST_CASE("Who connects to an address that no peer has hears so at once") {
  if (!can_make_networks())
    return;
  reading one;
  const file_descriptor caller{::socket(AF_INET, SOCK_STREAM, 0)};
  REQUIRE(caller);
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_port = htons(80);
  nobody.sin_addr.s_addr = inet_addr("10.9.0.99");
  CHECK(::connect(caller.get(), reinterpret_cast<const sockaddr*>(&nobody),
                  sizeof nobody)
        == -1);
  CHECK(errno == EHOSTUNREACH);
  CHECK(one.drops(drop_reason::no_route) == 1);
}

namespace {

/// Another one of the same queue, which has not the turn.
queue_reader_actor second_reader(reading& one, const io_loop_ptr& loop) {
  const queue_reader_actor made = one.home.spawn<tun_reader>(
    loop, one.tun, 1420u, [] {}, nullptr, false, nullptr,
    reader_place{0, false, 12});
  REQUIRE_FALSE(one.home.command(made, routes_changed{one.snapshot}));
  return made;
}

} // namespace

TEST_CASE("Packets stay in order while two readers of a queue take turns") {
  if (!can_make_networks())
    return;
  reading one;
  const auto other_loop = one.home.start_loop();
  const auto other = second_reader(one, other_loop.loop);
  const auto own = caf::actor_cast<queue_reader_actor>(one.reader);
  const auto turn_to_other = [&](bool other_reads) {
    const auto to = [](const queue_reader_actor& whom) {
      return give_turn{caf::actor_cast<caf::strong_actor_ptr>(whom)};
    };
    caf::anon_send(own, other_reads ? to(other) : give_turn{});
    caf::anon_send(other, other_reads ? give_turn{} : to(own));
  };
  constexpr std::uint32_t count = 1500;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i % 10 == 0)
      turn_to_other(i % 20 == 0);
    if (i % 100 == 99) { // the last wish holds, however fast they come
      for (int many = 0; many < 10; ++many)
        turn_to_other(many % 2 == 0);
    }
    one.send(reading::destination(0), i);
  }
  const auto packets = one.receive(0, count);
  REQUIRE(packets.size() == count);
  for (std::uint32_t i = 0; i < count; ++i)
    CHECK(number_in(packets[i]) == i);
}

TEST_CASE(
  "Of two readers of a queue none reads while both stand still, and the "
  "one whose turn it is goes on") {
  if (!can_make_networks())
    return;
  reading one;
  const auto other_loop = one.home.start_loop();
  const auto other = second_reader(one, other_loop.loop);
  const auto own = caf::actor_cast<queue_reader_actor>(one.reader);
  const freeze order{std::make_shared<std::vector<named_descriptor>>()};
  REQUIRE_FALSE(one.home.command(own, order));
  REQUIRE_FALSE(one.home.command(other, order));
  REQUIRE(order.into->size() == 1); // one queue, one descriptor
  CHECK(order.into->front().name == "tun");
  caf::anon_send(own, give_turn{caf::actor_cast<caf::strong_actor_ptr>(other)});
  one.send(reading::destination(0), 1);
  one.report();
  one.home.ask<drop_report>(other, report_request{});
  CHECK(one.logs[0].count<batch_content>() == 0);
  caf::anon_send(own, thaw{});
  one.report();
  CHECK(one.logs[0].count<batch_content>() == 0);
  caf::anon_send(other, thaw{});
  CHECK(number_in(one.receive(0, 1)[0]) == 1);
}
