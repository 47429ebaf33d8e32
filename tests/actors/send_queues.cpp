#include "actors/packets/send_queues.hpp"

#include "tests/actors/support.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/support.hpp"

#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

/// left: a0 10.7.0.1 ---- b0 10.7.0.2 :right.  Until left knows the right
/// one's link address, packets wait, and fill the socket's buffer.
struct full_way {
  full_way() {
    run("ip link add a0 type veth peer name b0 address 02:00:00:00:00:02");
    move_link(static_cast<int>(::if_nametoindex("b0")), right.descriptor());
    right.visit([] {
      run("ip link set b0 arp off up && ip addr add 10.7.0.2/24 dev b0");
    });
    run("ip link set a0 up && ip addr add 10.7.0.1/24 dev a0");
    write_file("/proc/sys/net/ipv4/neigh/a0/mcast_solicit", "1000");
    write_file("/proc/sys/net/ipv4/neigh/a0/unres_qlen_bytes", "50000000");
  }
  static void open() {
    run("ip neigh replace 10.7.0.2 lladdr 02:00:00:00:00:02 dev a0");
  }

  network_namespace right;
  network_namespace left;
};

struct queueing {
  explicit queueing(bool divided) {
    const int tiny = 1;
    REQUIRE(::setsockopt(sockets.v4->descriptor(), SOL_SOCKET, SO_SNDBUF, &tiny,
                         sizeof tiny)
            == 0);
    if (divided) {
      auto opened = open_stranger_sockets(sockets);
      REQUIRE(opened);
      strangers = std::move(*opened);
    }
    loop.run([&] {
      queues.emplace(
        *loop.loop, drops, errors, [this] { watch(); }, [] {});
      queues->use(&*sockets.v4, nullptr, divided);
    });
  }
  ~queueing() {
    loop.run([&] { queues.reset(); });
  }
  static udp_sockets open() {
    auto opened = open_udp_sockets({address("0.0.0.0"), 0}, 0);
    REQUIRE(opened);
    return std::move(*opened);
  }

  void watch() {
    writable.queues = &*queues;
    writable.socket = &*sockets.v4;
    std::ignore = loop.loop->watch(
      sockets.v4->descriptor(),
      queues->waits_for(*sockets.v4) ? interest::write : interest::none,
      &writable);
  }
  struct writable_handler final : descriptor_handler {
    send_queues* queues = nullptr;
    udp_socket* socket = nullptr;
    void ready(bool, bool) override {
      queues->go_on(*socket);
    }
    void failed() override {
    }
  };

  /// Sends a batch of 100 datagrams of 1000 bytes or so; false: the pool has
  /// none.
  bool send(const endpoint& to) {
    return loop.run([&] {
      auto batch = pool->acquire();
      if (!batch)
        return false;
      for (std::size_t i = 0; i < datagrams_each; ++i)
        batch->datagrams.add_message(1000 + i);
      outgoing_datagrams datagrams{std::move(batch), {to, std::nullopt}, {}};
      queues->send(datagrams);
      return true;
    });
  }
  std::uint64_t overload() {
    return loop.run([&] { return drops[drop_reason::send_overload]; });
  }
  /// Batches that are not waiting anywhere.
  std::size_t free_batches() {
    std::vector<outgoing_ptr> all;
    while (auto batch = pool->acquire())
      all.push_back(std::move(batch));
    return all.size();
  }

  static constexpr std::size_t datagrams_each = 100;
  static constexpr std::size_t pool_size = 16;
  std::shared_ptr<outgoing_pool> pool
    = std::make_shared<outgoing_pool>(pool_size);
  udp_sockets sockets = open();
  udp_sockets strangers;
  drop_counters drops;
  network_errors errors;
  writable_handler writable;
  std::optional<send_queues> queues;
  world home;
  test_loop loop = home.start_loop();
};

} // namespace

TEST_CASE("A way that is full holds up no other, and what waits for it is "
          "bounded") {
  if (!can_make_networks())
    return;
  const full_way way;
  const endpoint full{address("10.7.0.2"), 9};
  const auto divided = GENERATE(true, false);
  queueing sender(divided);
  for (int i = 0; i < 200 && sender.overload() == 0; ++i)
    REQUIRE(sender.send(full));
  REQUIRE(sender.overload() > 0);
  CHECK(sender.overload() <= queueing::datagrams_each);
  CHECK(sender.free_batches()
        == queueing::pool_size - send_queues::max_waiting);
  for (int i = 0; i < 20; ++i)
    REQUIRE(sender.send(full)); // a batch is always left
  if (divided) {
    CHECK(sender.loop.run([&] { return sender.queues->detours(); }) == 1);
    auto other = open_udp(ip_family::v4);
    const auto before = sender.overload();
    REQUIRE(sender.send(loopback(other, ip_family::v4)));
    CHECK(receive_all(other, queueing::datagrams_each).datagrams.size()
          == queueing::datagrams_each);
    CHECK(sender.overload() == before);
  }
  CHECK(sender.loop.falls_asleep()); // it waits for room without looking for it
  full_way::open();
  CHECK(
    eventually([&] { return sender.free_batches() == queueing::pool_size; }));
}

TEST_CASE("Once sending has been finished nothing waits, and what had no room "
          "is counted") {
  if (!can_make_networks())
    return;
  const full_way way;
  const endpoint full{address("10.7.0.2"), 9};
  const auto divided = GENERATE(true, false);
  queueing sender(divided);
  for (int i = 0; i < 200 && sender.overload() == 0; ++i)
    REQUIRE(sender.send(full));
  const auto before = sender.overload();
  REQUIRE(before > 0);
  REQUIRE(sender.free_batches() < queueing::pool_size);
  sender.loop.run([&] { sender.queues->finish(); });
  CHECK(sender.free_batches() == queueing::pool_size);
  CHECK(sender.overload() > before);
  CHECK(sender.loop.falls_asleep());
}

TEST_CASE("What the network says is read from the sockets of detours, too") {
  if (!can_make_networks())
    return;
  const full_way way;
  const endpoint full{address("10.7.0.2"), 9};
  queueing sender(true);
  for (int i = 0; i < 200 && sender.overload() == 0; ++i)
    REQUIRE(sender.send(full));
  REQUIRE(sender.loop.run([&] { return sender.queues->detours(); }) == 1);
  fake<peer_actor> peer{sender.home};
  deterministic_random random{3};
  const auto indices = std::make_shared<receiver_index_codec>(random);
  peer_table table;
  table.set(0, peer.handle());
  sender.loop.run([&] {
    sender.errors.set_routes(
      std::make_shared<routes>(allowed_ips{}, table, indices));
  });
  // The kernel chooses the socket by a hash: half of the four are only sent by,
  // and nobody reads the others here.
  constexpr int ways = 64;
  for (int i = 0; i < ways; ++i) {
    auto closed = open_udp(ip_family::v4);
    const auto to = loopback(closed, ip_family::v4);
    closed = open_udp(ip_family::v4); // another one
    outgoing_ptr batch{new outgoing_batch};
    const auto initiation = batch->datagrams.add_message(wire::initiation_size);
    std::fill(initiation.begin(), initiation.end(), std::byte{0});
    initiation[0] = std::byte{1};
    store_le(initiation.data() + wire::initiation_sender,
             indices->encode(0, 1));
    sender.loop.run([&] {
      outgoing_datagrams datagrams{std::move(batch), {to, {}}, peer.handle()};
      sender.queues->send(datagrams);
    });
  }
  const auto told = peer.next<path_failed>();
  CHECK(told.code == ECONNREFUSED);
  CHECK(told.initiation == indices->encode(0, 1));
  CHECK(sender.loop.falls_asleep());
}
