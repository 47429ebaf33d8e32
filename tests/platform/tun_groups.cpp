// Small packets that are read in groups.  Needs root: a TUN device in a network
// namespace of its own, 10.9.0.0/24.
#include "platform/linux/system_call_filter.hpp"
#include "tests/platform/support.hpp"

#include <sys/inotify.h>
#include <sys/prctl.h>

#include <numeric>

using namespace weft;
using namespace weft::test;
using io_status = tun_device::io_status;

namespace {

using numbers = std::vector<std::uint32_t>;

/// A host with a TUN device, and what it sends there.
struct sending_host {
  sending_host() {
    auto made = tun_device::create("tun0");
    REQUIRE(made);
    tun = std::move(*made);
    run("ip link set tun0 up");
    add_address("10.9.0.1/24", "tun0");
  }

  /// Datagrams with numbers from `first` on, one after the other.
  void send(std::uint32_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      send_by(plain, first + static_cast<std::uint32_t>(i), 1);
  }
  /// Datagrams at once, which makes a super-packet.
  void send_together(std::uint32_t first, std::size_t count) {
    send_by(joining, first, count);
  }

  static constexpr std::size_t size = 100;
  network_namespace space;
  std::optional<tun_device> tun;
  udp_socket plain = open_udp(ip_family::v4, false);
  udp_socket joining = open_udp(ip_family::v4);

private:
  static void
  send_by(udp_socket& socket, std::uint32_t first, std::size_t count) {
    std::vector<std::byte> memory(size * count);
    datagram_buffer buffer{memory};
    for (std::size_t i = 0; i < count; ++i)
      store_le(buffer.add_message(size).data(),
               first + static_cast<std::uint32_t>(i));
    const endpoint to{address("10.9.0.2"), 4000, 0};
    const auto sent = socket.send(buffer, 0, to, std::nullopt);
    REQUIRE(sent.sent == count);
    REQUIRE(sent.failed == 0);
  }
};

/// The number in the payload of an inner UDP packet, the first one's of a
/// super-packet.
std::uint32_t number_in(const tun_device::read_result& got) {
  return load_le<std::uint32_t>(got.packet.data() + 28);
}

/// What was read until there was no more.
struct reading {
  numbers packets;
  std::vector<std::size_t> groups; ///< how many results each call had
  io_status end = io_status::ok;
};

reading read_all(const tun_device& tun, tun_device::read_buffers& buffers) {
  reading all;
  while (all.end == io_status::ok) {
    const auto got = tun.read_some(buffers);
    all.groups.push_back(got.size());
    for (const auto& each : got) {
      if (each.status == io_status::ok)
        all.packets.push_back(number_in(each));
      else
        all.end = each.status;
    }
  }
  return all;
}

numbers up_to(std::size_t count) {
  numbers all(count);
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

/// Whether this host has io_uring.  Warns if not.
bool can_read_in_groups(tun_device::read_buffers& buffers) {
  buffers.read_in_groups(true);
  if (buffers.obstacle())
    WARN("skipped: " << buffers.obstacle()->message);
  return buffers.reads_in_groups();
}

/// Has every system call fail that is not on weftd's list, io_uring's among
/// them.  For children.
bool forbid_io_uring() {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
         && filter_system_calls().has_value();
}

} // namespace

TEST_CASE("Small packets that come one after another are read in growing "
          "groups, in their order") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers buffers;
  if (!can_read_in_groups(buffers))
    return;
  host.send(0, 200);
  const auto got = read_all(*host.tun, buffers);
  CHECK(got.packets == up_to(200));
  CHECK(got.end == io_status::would_block);
  CHECK(got.groups
        == std::vector<std::size_t>{1, 1, 1, 1, 8, 16, 32, 64, 64, 13});
  // The queue was empty, so it begins anew.
  host.send(0, 3);
  CHECK(read_all(*host.tun, buffers).groups
        == std::vector<std::size_t>{1, 1, 1, 1});
}

TEST_CASE("Without groups packets are read one by one") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers buffers;
  if (!can_read_in_groups(buffers))
    return;
  buffers.read_in_groups(false);
  CHECK_FALSE(buffers.reads_in_groups());
  CHECK_FALSE(buffers.obstacle());
  host.send(0, 30);
  const auto got = read_all(*host.tun, buffers);
  CHECK(got.packets == up_to(30));
  CHECK(got.groups == std::vector<std::size_t>(31, 1));
}

TEST_CASE("After a super-packet packets are read one by one until small ones "
          "come again") {
  if (!can_make_networks())
    return;
  sending_host host;
  if (!host.tun->has_udp_offload()) {
    WARN("skipped: this kernel has no USO");
    return;
  }
  tun_device::read_buffers buffers;
  if (!can_read_in_groups(buffers))
    return;
  host.send(0, 8);
  host.send_together(8, 20);
  host.send(28, 10);
  const auto got = read_all(*host.tun, buffers);
  numbers expected = up_to(9);
  for (std::uint32_t number = 28; number < 38; ++number)
    expected.push_back(number);
  CHECK(got.packets == expected);
  // The first group has the super-packet in it.
  CHECK(got.groups == std::vector<std::size_t>{1, 1, 1, 1, 8, 1, 1, 1, 1, 4});
}

TEST_CASE("No read waits in the kernel: what comes after a group is for the "
          "next read, whoever makes it") {
  if (!can_make_networks())
    return;
  sending_host host;
  std::optional<tun_device::read_buffers> buffers{std::in_place};
  if (!can_read_in_groups(*buffers))
    return;
  std::vector<std::byte> room(tun_device::max_read);
  for (std::uint32_t round = 0; round < 3; ++round) {
    host.send(0, 50);
    CHECK(read_all(*host.tun, *buffers).packets.size() == 50);
    if (round == 2)
      buffers.reset(); // in the middle of the traffic
    host.send(round, 1);
    const auto next = host.tun->read(room);
    REQUIRE(next.status == io_status::ok);
    CHECK(number_in(next) == round);
    CHECK(host.tun->read(room).status == io_status::would_block);
  }
}

TEST_CASE("No group is larger than was asked for") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers buffers;
  if (!can_read_in_groups(buffers))
    return;
  host.send(0, 100);
  std::size_t count = 0;
  while (count < 40) {
    const auto got = host.tun->read_some(buffers, 3);
    CHECK(got.size() <= 3);
    count += got.size();
  }
  CHECK(host.tun->read_some(buffers, 1).size() == 1);
  CHECK(host.tun->read_some(buffers).size() > 3);
}

TEST_CASE("A device that is deleted between two groups is lost") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers buffers;
  if (!can_read_in_groups(buffers))
    return;
  host.send(0, 100);
  std::size_t count = 0;
  while (count < 4 + 8)
    count += host.tun->read_some(buffers).size();
  run("ip link del tun0");
  CHECK(read_all(*host.tun, buffers).end == io_status::lost);
}

TEST_CASE("A device is gone as soon as its descriptor is closed, also when "
          "groups were read from it") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers buffers;
  if (!can_read_in_groups(buffers))
    return;
  host.send(0, 50);
  read_all(*host.tun, buffers);
  host.tun.reset(); // while the ring is still there
  CHECK(tun_device::create("tun0"));
}

TEST_CASE("Where io_uring is forbidden all packets are read one by one, and "
          "the reason is told") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers probe;
  if (!can_read_in_groups(probe))
    return;
  host.send(0, 100);
  CHECK(in_child([&] {
          tun_device::read_buffers buffers;
          if (!forbid_io_uring())
            return 1;
          buffers.read_in_groups(true);
          if (buffers.reads_in_groups() || !buffers.obstacle())
            return 2;
          if (buffers.obstacle()->message.find("Allow it in the filter")
              == std::string::npos)
            return 3;
          return read_all(*host.tun, buffers).packets == up_to(100) ? 0 : 4;
        })
        == 0);
}

TEST_CASE("A ring that fails is left, and no packet is lost with it") {
  if (!can_make_networks())
    return;
  sending_host host;
  tun_device::read_buffers probe;
  if (!can_read_in_groups(probe))
    return;
  host.send(0, 100);
  CHECK(in_child([&] {
          tun_device::read_buffers buffers;
          buffers.read_in_groups(true);
          if (!buffers.reads_in_groups() || !forbid_io_uring())
            return 1;
          if (read_all(*host.tun, buffers).packets != up_to(100))
            return 2;
          return !buffers.reads_in_groups() && buffers.obstacle() ? 0 : 3;
        })
        == 0);
}

// As TUN devices before Linux 6.4.
TEST_CASE(
  "A descriptor that cannot be read without waiting fails the ring, and "
  "no read of it counts") {
  tun_device::read_buffers probe;
  if (!can_read_in_groups(probe))
    return;
  auto ring = read_ring::open(1024);
  REQUIRE(ring);
  const file_descriptor events{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  REQUIRE(events);
  CHECK(ring->read(events.get(), 8).empty());
  REQUIRE(ring->failure());
  CHECK(ring->failure()->code == EOPNOTSUPP);
  CHECK(ring->failure()->message.find("Linux 6.4") != std::string::npos);
  CHECK(ring->read(events.get(), 8).empty());
}
