// What the network refuses must cost as little as possible: the rest arrives.
#include "tests/platform/support.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

using namespace weft;
using namespace weft::test;
using io_status = udp_socket::io_status;

namespace {

void set_mtu_of_loopback(std::uint32_t mtu) {
  auto network = network_configurator::open();
  REQUIRE(network);
  REQUIRE(network->set_mtu(1, mtu));
}

} // namespace

TEST_CASE("a source address that is gone, or of the other family, is left out "
          "and reported") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  auto sender = open_udp(family);
  auto receiver = open_udp(family);
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
  auto sender = open_udp(ip_family::v4);
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
  auto sender = open_udp(ip_family::v4);
  const datagrams batch{{100, 100}};
  const auto sent
    = sender.send(batch.buffer(), 0, {address("::1"), 9}, std::nullopt);
  CHECK(sent.status == io_status::failed);
  CHECK(sent.code == EAFNOSUPPORT);
  CHECK(sent.sent == 2);
  CHECK(sent.failed == 2);
}

TEST_CASE("an oversized datagram is skipped and the rest is sent") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_udp(ip_family::v4);
  auto receiver = open_udp(ip_family::v4);
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
  auto sender = open_udp(family);
  auto receiver = open_udp(family);
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
  auto sender = open_udp(ip_family::v4);
  auto receiver = open_udp(ip_family::v4);
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
  auto sender = open_udp(ip_family::v4);
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
  auto receiver = open_udp(ip_family::v4);
  auto sender = open_udp(ip_family::v4);
  const auto to = loopback(receiver, ip_family::v4);
  std::uint16_t closed = 0;
  {
    const auto ended = open_udp(ip_family::v4);
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
  auto receiver = open_udp(ip_family::v4);
  const network_namespace left;
  run("ip link add a0 type veth peer name b0 address 02:00:00:00:00:02");
  move_link(static_cast<int>(::if_nametoindex("b0")), right.descriptor());
  right.visit(
    [] { run("ip link set b0 arp off up && ip addr add 10.7.0.2/24 dev b0"); });
  run("ip link set a0 up && ip addr add 10.7.0.1/24 dev a0");
  write_file("/proc/sys/net/ipv4/neigh/a0/mcast_solicit", "1000");
  auto sender = open_udp(ip_family::v4);
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
