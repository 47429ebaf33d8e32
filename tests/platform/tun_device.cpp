#include "platform/hand_over.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

using namespace weft;
using namespace weft::test;
using io_status = tun_device::io_status;

namespace {

tun_device make_tun(const std::string& name, bool offload = true) {
  tun_device::options options;
  options.offload = offload;
  auto made = tun_device::create(name, options);
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

void bring_up(const tun_device& tun, const std::string& local) {
  auto network = network_configurator::open();
  REQUIRE(network);
  REQUIRE(network->add_address(tun.interface_index(), prefix(local)));
  REQUIRE(network->set_up(tun.interface_index(), true));
}

bool exists(const std::string& name) {
  return ::if_nametoindex(name.c_str()) != 0;
}

/// A TUN device as another program would make it.
file_descriptor
foreign_tun(const std::string& name, bool persistent, int more_flags = 0) {
  file_descriptor fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
  ifreq request{};
  name.copy(&request.ifr_name[0], IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | more_flags);
  REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
  REQUIRE(::ioctl(fd.get(), TUNSETPERSIST, persistent ? 1 : 0) == 0);
  return fd;
}

std::vector<std::byte> read_buffer() {
  return std::vector<std::byte>(tun_device::max_read);
}

/// A UDP packet from 10.9.0.2:1000 to 10.9.0.1, without a checksum.
std::vector<std::byte> udp_packet(std::uint16_t port, const std::string& text) {
  std::vector<std::byte> packet(28 + text.size());
  const auto total = static_cast<std::uint16_t>(packet.size());
  packet[0] = std::byte{0x45};
  store_be(&packet[2], total);
  packet[8] = std::byte{64};
  packet[9] = std::byte{17};
  std::memcpy(&packet[12], address("10.9.0.2").bytes.data(), 4);
  std::memcpy(&packet[16], address("10.9.0.1").bytes.data(), 4);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 20; i += 2)
    sum += load_be<std::uint16_t>(&packet[i]);
  sum = (sum & 0xffff) + (sum >> 16);
  store_be(&packet[10],
           static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16))));
  store_be(&packet[20], std::uint16_t{1000});
  store_be(&packet[22], port);
  store_be(&packet[24], static_cast<std::uint16_t>(total - 20));
  std::memcpy(&packet[28], text.data(), text.size());
  return packet;
}

} // namespace

TEST_CASE("an interface name must be one that the kernel takes") {
  CHECK_FALSE(check_device_name("wg0"));
  CHECK_FALSE(check_device_name("weft%d"));
  CHECK_FALSE(check_device_name("a.b-c_d"));
  CHECK_FALSE(check_device_name("fifteen-letters"));
  for (const auto* name :
       {"", ".", "..", "sixteen-letters-", "a/b", "a b", "a:b", "a\tb", "a\nb",
        "a\x01", "%s", "%", "%d%d", "a%"}) {
    INFO(name);
    CHECK(check_device_name(name));
  }
  CHECK(check_device_name(std::string_view{"a\0b", 3}));
}

TEST_CASE("a bad name is refused before anything is made") {
  const auto made = tun_device::create("no/name");
  REQUIRE_FALSE(made);
  CHECK_THAT(made.error().message,
             Catch::Contains("no/name") && Catch::Contains("white space"));
}

TEST_CASE("a TUN device appears with its name and ends with its owner") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  {
    const auto tun = make_tun("weft7");
    CHECK(tun.name() == "weft7");
    CHECK(tun.interface_index() == static_cast<int>(::if_nametoindex("weft7")));
    CHECK(tun.has_tcp_offload());
    CHECK(tun.still_exists());
    CHECK(tun.mtu() == 1500U);
    CHECK(succeeds("ip link show dev weft7 | grep -q 'qlen 2000'"));
    // Nothing is sent unasked: no link-local address, no multicast.
    bring_up(tun, "fd00::1/64");
    CHECK(succeeds("ip -6 addr show dev weft7 | grep -q fd00::1"));
    CHECK_FALSE(succeeds("ip -6 addr show dev weft7 | grep -q fe80"));
    CHECK_FALSE(succeeds("ip link show dev weft7 | grep -q MULTICAST"));
  }
  CHECK_FALSE(exists("weft7"));
}

TEST_CASE("the kernel numbers TUN devices whose name asks for it") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto first = make_tun("weft%d");
  const auto second = make_tun("weft%d");
  CHECK(first.name() == "weft0");
  CHECK(second.name() == "weft1");
}

TEST_CASE("what a socket sends into a TUN device can be read from it") {
  if (!can_make_networks())
    return;
  const bool offload = GENERATE(true, false);
  const network_namespace here;
  const auto tun = make_tun("tun0", offload);
  bring_up(tun, "10.9.0.1/24");
  auto buffer = read_buffer();
  CHECK(tun.read(buffer).status == io_status::would_block);

  auto socket = open_udp(ip_family::v4);
  const auto payload = pattern(100, 1);
  socket.send(payload, {address("10.9.0.2"), 5000}, std::nullopt);
  const auto got = tun.read(buffer);
  REQUIRE(got.status == io_status::ok);
  REQUIRE(got.packet.size() == 128);
  CHECK(got.packet.data() >= buffer.data());
  CHECK(got.packet[0] == std::byte{0x45});
  CHECK(std::equal(payload.begin(), payload.end(), got.packet.begin() + 28));
  CHECK(got.header.gso_type == offload_header::gso_none);
  if (offload) {
    CHECK((got.header.flags & offload_header::needs_checksum) != 0);
    CHECK(got.header.checksum_start == 20);
    CHECK(got.header.checksum_offset == 6);
  } else {
    CHECK(got.header.flags == 0);
    CHECK_FALSE(tun.has_tcp_offload());
  }
  CHECK(tun.read(buffer).status == io_status::would_block);
}

TEST_CASE("packets are read in groups, and the last result says that there "
          "are no more") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto tun = make_tun("tun0", true);
  bring_up(tun, "10.9.0.1/24");
  tun_device::read_buffers buffers;
  auto socket = open_udp(ip_family::v4);
  for (std::size_t i = 0; i < 5; ++i)
    socket.send(pattern(100 + i, 1), {address("10.9.0.2"), 5000}, std::nullopt);
  std::vector<std::size_t> sizes;
  auto status = io_status::ok;
  while (status == io_status::ok) {
    const auto group = tun.read_some(buffers);
    REQUIRE_FALSE(group.empty());
    REQUIRE(group.size() <= tun_device::group_size);
    for (const auto& got : group) {
      status = got.status;
      if (status == io_status::ok)
        sizes.push_back(got.packet.size() - 28);
    }
  }
  CHECK(status == io_status::would_block);
  CHECK(sizes == std::vector<std::size_t>{100, 101, 102, 103, 104});
}

TEST_CASE("a packet written in fragments reaches a socket") {
  if (!can_make_networks())
    return;
  const bool offload = GENERATE(true, false);
  const network_namespace here;
  const auto tun = make_tun("tun0", offload);
  bring_up(tun, "10.9.0.1/24");
  auto socket = open_udp(ip_family::v4);
  const auto packet = udp_packet(socket.port(), "hello from the tunnel");
  const const_byte_span whole{packet};
  const std::array<const_byte_span, 3> fragments{
    whole.first(20), whole.subspan(20, 15), whole.subspan(35)};
  CHECK(tun.write({}, fragments) == io_status::ok);
  const auto got = receive_all(socket, 1);
  REQUIRE(got.datagrams.size() == 1);
  CHECK(std::equal(packet.begin() + 28, packet.end(), got.datagrams[0].begin(),
                   got.datagrams[0].end()));
  CHECK(to_string(got.messages[0].remote) == "10.9.0.2:1000");
  CHECK(got.messages[0].local->address == address("10.9.0.1"));
}

TEST_CASE("a TUN device tells why it did not take a packet") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto tun = make_tun("tun0");
  const auto packet = udp_packet(9, "x");
  const std::array<const_byte_span, 1> good{packet};
  CHECK(tun.write({}, good) == io_status::not_up);
  bring_up(tun, "10.9.0.1/24");
  CHECK(tun.write({}, good) == io_status::ok);
  const std::array<std::byte, 20> nonsense{};
  const std::array<const_byte_span, 1> bad{nonsense};
  CHECK(tun.write({}, bad) == io_status::rejected);
  const std::vector<const_byte_span> many(tun_device::max_fragments + 1);
  CHECK(tun.write({}, many) == io_status::rejected);

  const auto plain = make_tun("tun1", false);
  bring_up(plain, "10.8.0.1/24");
  offload_header header;
  header.gso_type = offload_header::gso_udp;
  header.gso_size = 100;
  CHECK(plain.write(header, good) == io_status::rejected);
}

TEST_CASE("a link of another kind keeps its name") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  SECTION("a bridge") {
    run("ip link add weft0 type bridge");
    const auto made = tun_device::create("weft0");
    REQUIRE_FALSE(made);
    CHECK(made.error().code == EBUSY);
    CHECK_THAT(made.error().message, Catch::Contains("weft0")
                                       && Catch::Contains("of kind bridge")
                                       && Catch::Contains("ip link del weft0"));
    CHECK(succeeds("ip -d link show weft0 | grep -q bridge"));
  }
  SECTION("the loopback link") {
    const auto made = tun_device::create("lo");
    REQUIRE_FALSE(made);
    CHECK_THAT(made.error().message, Catch::Contains("loopback"));
    CHECK_THAT(made.error().message, !Catch::Contains("ip link del"));
  }
  SECTION("a TAP device") {
    run("ip tuntap add mode tap name weft0");
    const auto made = tun_device::create("weft0");
    REQUIRE_FALSE(made);
    CHECK_THAT(made.error().message, Catch::Contains("TAP"));
    CHECK(exists("weft0"));
  }
  SECTION("a TUN device that another program serves, persistent or not") {
    const bool persistent = GENERATE(true, false);
    const auto other = foreign_tun("weft0", persistent);
    const auto made = tun_device::create("weft0");
    REQUIRE_FALSE(made);
    CHECK_THAT(made.error().message, Catch::Contains("another program serves"));
    CHECK(exists("weft0"));
  }
}

TEST_CASE("a persistent TUN device that nobody serves is taken over and ends "
          "with its new owner") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const int queues = GENERATE(0, IFF_MULTI_QUEUE);
  foreign_tun("weft0", true, queues).reset();
  REQUIRE(exists("weft0"));
  const auto index = static_cast<int>(::if_nametoindex("weft0"));
  {
    const auto tun = make_tun("weft0");
    CHECK(tun.interface_index() == index);
    CHECK(tun.has_tcp_offload());
    bring_up(tun, "10.9.0.1/24");
    auto buffer = read_buffer();
    auto socket = open_udp(ip_family::v4);
    socket.send(pattern(40, 0), {address("10.9.0.2"), 5000}, std::nullopt);
    CHECK(tun.read(buffer).packet.size() == 68);
  }
  CHECK_FALSE(exists("weft0"));
}

TEST_CASE("a deleted TUN device is lost") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto tun = make_tun("weft0");
  bring_up(tun, "10.9.0.1/24");
  run("ip link del weft0");
  auto buffer = read_buffer();
  const auto packet = udp_packet(9, "x");
  const std::array<const_byte_span, 1> fragments{packet};
  CHECK_FALSE(tun.still_exists());
  CHECK_FALSE(tun.mtu());
  CHECK(tun.read(buffer).status == io_status::lost);
  CHECK(tun.write({}, fragments) == io_status::lost);
  // The descriptor says so by itself: nobody has to ask.
  pollfd entry{tun.descriptor(), POLLIN, 0};
  CHECK(::poll(&entry, 1, 0) == 1);
}

TEST_CASE("a TUN device that was moved to another namespace goes on, until it "
          "is deleted there") {
  if (!can_make_networks())
    return;
  const network_namespace inside;
  const network_namespace here;
  const auto tun = make_tun("weft0");
  move_link(tun.interface_index(), inside.descriptor());
  CHECK_FALSE(exists("weft0"));
  CHECK(tun.still_exists());
  std::optional<udp_socket> socket;
  inside.visit([&] {
    run("ip link set weft0 mtu 1234 name moved");
    run("ip addr add 10.9.0.1/24 dev moved");
    run("ip link set moved up");
    socket = open_udp(ip_family::v4);
  });
  CHECK(tun.mtu() == 1234U);

  const auto packet = udp_packet(socket->port(), "into the other namespace");
  const std::array<const_byte_span, 1> fragments{packet};
  CHECK(tun.write({}, fragments) == io_status::ok);
  CHECK(receive_all(*socket, 1).datagrams.size() == 1);
  auto buffer = read_buffer();
  socket->send(pattern(40, 0), {address("10.9.0.2"), 5000}, std::nullopt);
  io_status status = io_status::would_block;
  do // router solicitations: the new namespace gave it a link-local address
    status = tun.read(buffer).status;
  while (status == io_status::ok && (buffer[10] != std::byte{0x45}));
  CHECK(status == io_status::ok);

  inside.visit([] { run("ip link del moved"); });
  CHECK_FALSE(tun.still_exists());
  CHECK(tun.write({}, fragments) == io_status::lost);
}

TEST_CASE("who may not make TUN devices is told what is missing") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto code = in_child([] {
    if (::setuid(65534) != 0)
      return 1;
    const auto made = tun_device::create("weft0");
    if (made)
      return 2;
    const auto& message = made.error().message;
    const bool by_device = message.find("/dev/net/tun") != std::string::npos;
    const bool by_capability = message.find("setcap") != std::string::npos;
    return by_device || by_capability ? 0 : 3;
  });
  CHECK(code == 0);
}

// -- queues ------------------------------------------------------------------

namespace {

constexpr std::uint16_t flows = 40;

/// A device of several queues, and so many flows to 10.9.0.2.
struct several_queues {
  several_queues() {
    auto made = tun_device::create_queues("weft9", {}, 4);
    if (!made)
      FAIL(made.error().message);
    queues = std::move(*made);
    bring_up(queues[0], "10.9.0.1/24");
    for (std::uint16_t i = 0; i < flows; ++i)
      sockets.push_back(open_udp(ip_family::v4));
  }

  /// Sends a packet of each flow, and says which queues each was read from.
  std::vector<std::vector<std::size_t>> carry() {
    for (auto& socket : sockets)
      socket.send(pattern(8, 1), {address("10.9.0.2"), 1000}, std::nullopt);
    std::vector<std::vector<std::size_t>> from(flows);
    auto buffer = read_buffer();
    for (std::size_t i = 0; i < queues.size(); ++i) {
      for (;;) {
        const auto got = queues[i].read(buffer);
        if (got.status != io_status::ok)
          break;
        const auto port = load_be<std::uint16_t>(got.packet.data() + 20);
        for (std::uint16_t flow = 0; flow < flows; ++flow) {
          if (sockets[flow].port() == port)
            from[flow].push_back(i);
        }
      }
    }
    return from;
  }
  /// Writes an answer to each flow by this queue.
  void answer(const tun_device& by) {
    for (auto& socket : sockets) {
      const auto packet = udp_packet(socket.port(), "answer");
      const const_byte_span whole{packet};
      REQUIRE(by.write({}, {&whole, 1}) == io_status::ok);
    }
  }

  network_namespace here;
  std::vector<tun_device> queues;
  std::vector<udp_socket> sockets;
};

} // namespace

TEST_CASE("flows are spread over the queues of a device, and each stays with "
          "its own, whichever its answers are written by") {
  if (!can_make_networks())
    return;
  several_queues device;
  REQUIRE(device.queues.size() == 4);
  const auto before = device.carry();
  std::set<std::size_t> used;
  for (const auto& queues : before) {
    REQUIRE(queues.size() == 1);
    used.insert(queues[0]);
  }
  CHECK(used.size() > 1);
  for (const auto& queue : device.queues) {
    device.answer(queue);
    CHECK(device.carry() == before);
  }
}

TEST_CASE("the queues of a device are handed over, and flows stay with them") {
  if (!can_make_networks())
    return;
  several_queues device;
  const auto before = device.carry();
  std::vector<file_descriptor> left;
  for (const auto& queue : device.queues)
    left.push_back(std::move(*duplicate(queue.descriptor())));
  auto writing = duplicate(device.queues[0].writing_descriptor()->get());
  REQUIRE(writing);
  device.queues.clear(); // the process that had them is gone
  auto adopted
    = tun_device::adopt_queues(std::move(left), std::move(*writing), {});
  REQUIRE(adopted);
  device.queues = std::move(*adopted);
  REQUIRE(device.queues.size() == 4);
  device.answer(device.queues[2]);
  CHECK(device.carry() == before);
}

TEST_CASE("a device of one queue writes by what it is read from") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto made = tun_device::create_queues("weft9", {}, 1);
  REQUIRE(made);
  REQUIRE(made->size() == 1);
  CHECK(made->front().writing_descriptor() == nullptr);
}
