#include "tests/platform/support.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

using namespace weft;
using namespace weft::test;
using io_status = udp_socket::io_status;

namespace {

udp_socket open_socket(udp_socket::options wanted) {
  auto opened = udp_socket::open(wanted);
  if (!opened)
    FAIL(opened.error().message);
  return std::move(*opened);
}

udp_socket open_socket(ip_family family, bool offload = true) {
  udp_socket::options wanted;
  wanted.family = family;
  wanted.offload = offload;
  return open_socket(wanted);
}

endpoint loopback(const udp_socket& to, ip_family family) {
  return {address(family == ip_family::v4 ? "127.0.0.1" : "::1"), to.port()};
}

void set_mtu_of_loopback(std::uint32_t mtu) {
  auto network = network_configurator::open();
  REQUIRE(network);
  REQUIRE(network->set_mtu(1, mtu));
}

} // namespace

TEST_CASE("a datagram arrives with its sender and the address it came to") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  auto sender = open_socket(family);
  auto receiver = open_socket(family);
  CHECK(sender.port() != 0);
  const auto datagram = pattern(148, 1);
  const auto sent
    = sender.send(datagram, loopback(receiver, family), std::nullopt);
  CHECK(sent.status == io_status::ok);
  CHECK(sent.sent == 1);
  CHECK_FALSE(sent.source_was_invalid);
  const auto got = receive_all(receiver, 1);
  REQUIRE(got.datagrams.size() == 1);
  CHECK(got.datagrams[0] == datagram);
  CHECK(got.messages[0].remote == loopback(sender, family));
  REQUIRE(got.messages[0].local);
  CHECK(got.messages[0].local->address == loopback(sender, family).address);
  CHECK(got.messages[0].local->interface_index == 1);
}

TEST_CASE("a socket with nothing to receive says so") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto socket = open_socket(ip_family::v4);
  std::vector<std::byte> memory(udp_socket::receive_stride);
  std::vector<received_datagrams> out;
  CHECK(socket.receive(memory, 1, out) == io_status::would_block);
  CHECK(out.empty());
}

TEST_CASE("a batch of mixed sizes keeps its boundaries and its order") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const bool offload = GENERATE(true, false);
  auto sender = open_socket(family, offload);
  auto receiver = open_socket(family, offload);
  CHECK(sender.has_gso() == offload);
  CHECK(receiver.has_gro() == offload);
  const auto lengths = GENERATE(
    std::vector<std::size_t>{1452, 1452, 1452, 96, 96, 500, 1452, 33, 34, 33},
    std::vector<std::size_t>(128, 100),  // two messages of 64
    std::vector<std::size_t>(128, 1452), // bounded by 64 KiB
    std::vector<std::size_t>{9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000},
    std::vector<std::size_t>{65000, 65000, 40},
    std::vector<std::size_t>{40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51});
  const datagrams batch{lengths};
  const auto sent
    = sender.send(batch.buffer(), 0, loopback(receiver, family), std::nullopt);
  CHECK(sent.status == io_status::ok);
  CHECK(sent.sent == lengths.size());
  const auto got = receive_all(receiver, lengths.size());
  CHECK(got.datagrams == batch.all());
}

TEST_CASE("datagrams of one size travel as one message, and the size of its "
          "segments is told") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  auto sender = open_socket(family);
  auto receiver = open_socket(family);
  if (!sender.has_gso() || !receiver.has_gro()) {
    WARN("skipped: this kernel has no UDP GSO or GRO");
    return;
  }
  std::vector<std::size_t> lengths(30, 1000);
  lengths.push_back(400); // the last may be shorter
  const datagrams batch{lengths};
  sender.send(batch.buffer(), 0, loopback(receiver, family), std::nullopt);
  const auto got = receive_all(receiver, lengths.size());
  REQUIRE(got.messages.size() == 1);
  CHECK(got.messages[0].segment_size == 1000);
  CHECK(got.messages[0].bytes.size() == 30400);

  // From the middle on.
  sender.send(batch.buffer(), 29, loopback(receiver, family), std::nullopt);
  const auto rest = receive_all(receiver, 2);
  REQUIRE(rest.datagrams.size() == 2);
  CHECK(rest.datagrams[0].size() == 1000);
  CHECK(rest.datagrams[1].size() == 400);
}

TEST_CASE("several messages are received with one call, and no more than "
          "wanted") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_socket(ip_family::v4, false);
  auto receiver = open_socket(ip_family::v4, false);
  const datagrams batch{std::vector<std::size_t>(20, 200)};
  sender.send(batch.buffer(), 0, loopback(receiver, ip_family::v4),
              std::nullopt);
  std::vector<std::byte> memory(3 * udp_socket::receive_stride);
  std::vector<received_datagrams> out;
  CHECK(receiver.receive(memory, 2, out) == io_status::ok);
  CHECK(out.size() == 2);
  CHECK(receiver.receive(memory, 16, out) == io_status::ok);
  CHECK(out.size() == 5); // there is memory for three
  CHECK(out[4].bytes.data() == &memory[2 * udp_socket::receive_stride]);
  std::vector<std::byte> enough(20 * udp_socket::receive_stride);
  CHECK(receiver.receive(enough, 20, out) == io_status::ok);
  CHECK(out.size() == 20);
}

TEST_CASE("answers leave from the address that the question came to") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const std::string base = family == ip_family::v4 ? "10.7.0." : "fd07::";
  const std::string length = family == ip_family::v4 ? "/32" : "/128";
  for (const auto* number : {"1", "2", "3", "4"})
    add_address(base + number + length, "lo");
  auto client = open_socket(family);
  auto server = open_socket(family);
  for (const auto* number : {"3", "1", "4", "2"}) {
    const auto local = address(base + number);
    CHECK(client.send(pattern(50, 0), {local, server.port()}, std::nullopt).code
          == 0);
    const auto question = receive_all(server, 1);
    REQUIRE(question.messages.size() == 1);
    REQUIRE(question.messages[0].local);
    CHECK(question.messages[0].local->address == local);
    const datagrams answer{{100, 100, 100}};
    const auto sent
      = server.send(answer.buffer(), 0, question.messages[0].remote,
                    question.messages[0].local);
    CHECK_FALSE(sent.source_was_invalid);
    const auto got = receive_all(client, 3);
    REQUIRE(got.datagrams.size() == 3);
    CHECK(got.messages[0].remote.address == local);
  }
}

TEST_CASE("a source address that is gone, or of the other family, is left out "
          "and reported") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  auto sender = open_socket(family);
  auto receiver = open_socket(family);
  const auto to = loopback(receiver, family);
  const auto* text = GENERATE("10.7.0.9", "fd07::9");
  const source_address gone{address(text), 1};
  const std::vector<std::size_t> lengths{300, 300, 300, 50, 60};
  const datagrams batch{lengths};
  auto sent = sender.send(batch.buffer(), 0, to, gone);
  CHECK(sent.status == io_status::ok);
  CHECK(sent.sent == lengths.size());
  CHECK(sent.source_was_invalid);
  CHECK(receive_all(receiver, lengths.size()).datagrams == batch.all());
  CHECK(sender.has_gso());

  sent = sender.send(pattern(148, 1), to, gone);
  CHECK(sent.source_was_invalid);
  CHECK(receive_all(receiver, 1).datagrams.size() == 1);
}

TEST_CASE("a good source is not blamed for a destination without a route") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_socket(ip_family::v4);
  const source_address source{address("127.0.0.1"), 1};
  const auto sent
    = sender.send(pattern(148, 1), {address("198.51.100.1"), 9}, source);
  CHECK(sent.status == io_status::failed);
  CHECK(sent.code == ENETUNREACH);
  CHECK_FALSE(sent.source_was_invalid);
}

TEST_CASE("a remote endpoint of the other family is an error") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_socket(ip_family::v4);
  const datagrams batch{{100, 100}};
  const auto sent
    = sender.send(batch.buffer(), 0, {address("::1"), 9}, std::nullopt);
  CHECK(sent.status == io_status::failed);
  CHECK(sent.code == EAFNOSUPPORT);
  CHECK(sent.sent == 2);
  CHECK(sent.failed == 2);
}

TEST_CASE("the firewall mark decides about routing, and can be changed") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add out0 type bridge && ip link set out0 up");
  run("ip addr add 10.7.0.1/24 dev out0");
  run("ip rule add fwmark 7 prohibit");
  udp_socket::options wanted;
  wanted.fwmark = 7;
  auto socket = open_socket(wanted);
  const endpoint to{address("10.7.0.2"), 9};
  CHECK(socket.send(pattern(40, 0), to, std::nullopt).code == EACCES);
  REQUIRE(socket.set_fwmark(0));
  CHECK(socket.send(pattern(40, 0), to, std::nullopt).status == io_status::ok);
  REQUIRE(socket.set_fwmark(7));
  CHECK(socket.send(pattern(40, 0), to, std::nullopt).code == EACCES);
}

TEST_CASE("an oversized datagram is skipped and the rest is sent") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_socket(ip_family::v4);
  auto receiver = open_socket(ip_family::v4);
  const auto to = loopback(receiver, ip_family::v4);
  const datagrams batch{{100, 65535, 200, 65500, 65508, 300}};
  const auto sent = sender.send(batch.buffer(), 0, to, std::nullopt);
  CHECK(sent.status == io_status::failed);
  CHECK(sent.code == EMSGSIZE);
  CHECK(sent.failed == 2);
  CHECK(sent.sent == 6);
  const auto got = receive_all(receiver, 4);
  const auto all = batch.all();
  REQUIRE(got.datagrams.size() == 4);
  CHECK(got.datagrams[0] == all[0]);
  CHECK(got.datagrams[1] == all[2]);
  CHECK(got.datagrams[2] == all[3]);
  CHECK(got.datagrams[3] == all[5]);
  CHECK(receiver.truncated() == 0);
  const auto too_long = pattern(65536, 0);
  CHECK(sender.send(too_long, to, std::nullopt).code == EMSGSIZE);
}

TEST_CASE("datagrams larger than the route's MTU are fragmented, and GSO is "
          "only given up for that call") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  set_mtu_of_loopback(1300);
  auto sender = open_socket(family);
  auto receiver = open_socket(family);
  std::vector<std::size_t> lengths(10, 1452);
  lengths.push_back(100);
  const datagrams batch{lengths};
  const auto sent
    = sender.send(batch.buffer(), 0, loopback(receiver, family), std::nullopt);
  CHECK(sent.status == io_status::ok);
  CHECK(sent.sent == lengths.size());
  CHECK(receive_all(receiver, lengths.size()).datagrams == batch.all());
  CHECK(sender.has_gso());
}

TEST_CASE("datagrams go one by one where the kernel refuses GSO") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_socket(ip_family::v4);
  auto receiver = open_socket(ip_family::v4);
  const int on = 1; // without checksums it takes no GSO (EINVAL)
  REQUIRE(
    ::setsockopt(sender.descriptor(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on)
    == 0);
  const datagrams batch{{700, 700, 700, 20, 90, 90}};
  const source_address source{address("127.0.0.1"), 1};
  const auto sent
    = sender.send(batch.buffer(), 0, loopback(receiver, ip_family::v4), source);
  CHECK(sent.status == io_status::ok);
  CHECK(sent.sent == 6);
  CHECK_FALSE(sent.source_was_invalid);
  CHECK(receive_all(receiver, 6).datagrams == batch.all());
}

TEST_CASE("a batch passes an interface that has no checksums in hardware") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  tun_device::options plain;
  plain.offload = false;
  const auto tun = tun_device::create("tun0", plain);
  REQUIRE(tun);
  run("ip link set tun0 up");
  add_address("10.9.0.1/24", "tun0");
  auto sender = open_socket(ip_family::v4);
  const datagrams batch{std::vector<std::size_t>(9, 1000)};
  for (int round = 0; round < 2; ++round) {
    const auto sent
      = sender.send(batch.buffer(), 0, {address("10.9.0.2"), 9}, std::nullopt);
    CHECK(sent.status == io_status::ok);
    std::vector<std::byte> packet(tun_device::max_read);
    for (const auto& datagram : batch.all()) {
      const auto got = tun->read(packet);
      REQUIRE(got.packet.size() == 1028);
      CHECK(
        std::equal(datagram.begin(), datagram.end(), got.packet.begin() + 28));
    }
  }
}

TEST_CASE("empty datagrams and errors of earlier sends do not end reception") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto receiver = open_socket(ip_family::v4);
  auto sender = open_socket(ip_family::v4);
  const auto to = loopback(receiver, ip_family::v4);
  std::uint16_t closed = 0;
  {
    const auto ended = open_socket(ip_family::v4);
    closed = ended.port();
  }
  // With this option each ICMP error is an error of the socket.
  const int on = 1;
  REQUIRE(
    ::setsockopt(receiver.descriptor(), SOL_IP, IP_RECVERR, &on, sizeof on)
    == 0);
  receiver.send(pattern(40, 0), {address("127.0.0.1"), closed}, std::nullopt);
  sender.send({}, to, std::nullopt);
  sender.send(pattern(40, 1), to, std::nullopt);
  std::vector<std::byte> memory(udp_socket::receive_stride * 4);
  std::vector<received_datagrams> out;
  CHECK(receiver.receive(memory, 4, out) == io_status::ok);
  REQUIRE(out.size() == 1);
  CHECK(out[0].bytes.size() == 40);
}

TEST_CASE("a send that finds the socket's buffer full goes on where it "
          "stopped") {
  if (!can_make_networks())
    return;
  // left: a0 10.7.0.1 ---- b0 10.7.0.2 :right.  Until left knows the right
  // one's link address, packets wait and fill the socket's buffer.
  const network_namespace right;
  auto receiver = open_socket(ip_family::v4);
  const network_namespace left;
  run("ip link add a0 type veth peer name b0 address 02:00:00:00:00:02");
  move_link(static_cast<int>(::if_nametoindex("b0")), right.descriptor());
  right.visit(
    [] { run("ip link set b0 arp off up && ip addr add 10.7.0.2/24 dev b0"); });
  run("ip link set a0 up && ip addr add 10.7.0.1/24 dev a0");
  write_file("/proc/sys/net/ipv4/neigh/a0/mcast_solicit", "1000");
  auto sender = open_socket(ip_family::v4);
  const int tiny = 1;
  REQUIRE(
    ::setsockopt(sender.descriptor(), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny)
    == 0);
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 60; ++i)
    lengths.push_back(1000 + i); // growing: each is a message of its own
  const datagrams batch{lengths};
  const endpoint to{address("10.7.0.2"), receiver.port()};
  auto sent = sender.send(batch.buffer(), 0, to, std::nullopt);
  CHECK(sent.status == io_status::would_block);
  CHECK(sent.sent > 0);
  CHECK(sent.sent < lengths.size());
  CHECK(sent.failed == 0);

  run("ip neigh replace 10.7.0.2 lladdr 02:00:00:00:00:02 dev a0");
  while (sent.status == io_status::would_block
         && await_writable(sender.descriptor()))
    sent = sender.send(batch.buffer(), sent.sent, to, std::nullopt);
  CHECK(sent.status == io_status::ok);
  CHECK(sent.sent == lengths.size());
  CHECK(receive_all(receiver, lengths.size()).datagrams == batch.all());
}

TEST_CASE("a device listens on one port of both families") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const endpoint all{address("::"), 0};
  auto sockets = open_udp_sockets(all, 0);
  REQUIRE(sockets);
  REQUIRE(sockets->v4);
  REQUIRE(sockets->v6);
  CHECK(sockets->port() != 0);
  CHECK(sockets->v4->port() == sockets->v6->port());

  SECTION("or of the one that its address belongs to") {
    auto v4 = open_udp_sockets({address("0.0.0.0"), 0}, 0);
    REQUIRE(v4);
    CHECK(v4->v4);
    CHECK_FALSE(v4->v6);
    auto v6 = open_udp_sockets({address("::1"), 0}, 0);
    REQUIRE(v6);
    CHECK_FALSE(v6->v4);
    CHECK(v6->v6);
  }
  SECTION("and its port is refused to others, by name") {
    auto again = open_udp_sockets({address("::"), sockets->port()}, 0);
    REQUIRE_FALSE(again);
    CHECK(again.error().code == EADDRINUSE);
    CHECK_THAT(again.error().message,
               Catch::Contains(std::to_string(sockets->port()))
                 && Catch::Contains("listen port"));
  }
  SECTION("and an address that the host lacks is an error") {
    auto none = open_udp_sockets({address("192.0.2.1"), 0}, 0);
    REQUIRE_FALSE(none);
    CHECK_THAT(none.error().message, Catch::Contains("no such address"));
  }
}

TEST_CASE("a port that is taken on IPv6 only is an error if it was asked for, "
          "and else another one is found") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  write_file("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003");
  std::vector<udp_socket> taken;
  for (const auto port : std::array<std::uint16_t, 3>{40000, 40001, 40003}) {
    udp_socket::options wanted;
    wanted.family = ip_family::v6;
    wanted.port = port;
    taken.push_back(open_socket(wanted));
  }
  auto fixed = open_udp_sockets({address("::"), 40001}, 0);
  REQUIRE_FALSE(fixed);
  CHECK(fixed.error().code == EADDRINUSE);
  CHECK_THAT(fixed.error().message,
             Catch::Contains("40001") && Catch::Contains("IPv6"));
  // Each try hits the free one with a chance of 1/4, or more.
  auto any = open_udp_sockets({address("::"), 0}, 0);
  REQUIRE(any);
  CHECK(any->port() == 40002);
  REQUIRE(any->v6);
}
