#include "tests/platform/support.hpp"

#include <algorithm>
#include <array>

using namespace weft;
using namespace weft::test;
using io_status = udp_socket::io_status;

namespace {

udp_socket open_socket(const udp_socket::options& wanted) {
  auto opened = udp_socket::open(wanted);
  if (!opened)
    FAIL(opened.error().message);
  return std::move(*opened);
}

} // namespace

TEST_CASE("a datagram arrives with its sender and the address it came to") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  auto sender = open_udp(family);
  auto receiver = open_udp(family);
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
  auto socket = open_udp(ip_family::v4);
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
  auto sender = open_udp(family, offload);
  auto receiver = open_udp(family, offload);
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
  auto sender = open_udp(family);
  auto receiver = open_udp(family);
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

TEST_CASE("datagrams bear their marks, and those of different marks do not "
          "travel as one message") {
  if (!can_make_networks())
    return;
  using enum congestion_mark;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const bool offload = GENERATE(true, false);
  auto sender = open_udp(family, offload);
  auto receiver = open_udp(family, offload);
  const std::vector marks{capable_0,   capable_0,   capable_0,
                          congested,   capable_0,   capable_1,
                          not_capable, not_capable, congested};
  std::vector<std::byte> memory(32768);
  datagram_buffer batch{memory};
  for (std::size_t i = 0; i < marks.size(); ++i)
    std::ranges::copy(pattern(1000, static_cast<unsigned>(i)),
                      batch.add_message(1000, marks[i]).begin());
  const auto sent
    = sender.send(batch, 0, loopback(receiver, family), std::nullopt);
  CHECK(sent.sent == marks.size());
  const auto got = receive_all(receiver, marks.size());
  REQUIRE(got.datagrams.size() == marks.size());
  std::vector<congestion_mark> arrived;
  for (const auto& message : got.messages)
    arrived.insert(arrived.end(), message.bytes.size() / message.segment_size,
                   message.mark);
  CHECK(arrived == marks);
  for (std::size_t i = 0; i < marks.size(); ++i)
    CHECK(got.datagrams[i] == pattern(1000, static_cast<unsigned>(i)));
  if (offload && sender.has_gso() && receiver.has_gro())
    CHECK(got.messages.size() == 6);
}

TEST_CASE("offloads are switched while a socket is in use, and sockets opened "
          "beside it follow") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_udp(ip_family::v4);
  auto receiver = open_udp(ip_family::v4);
  const bool able = sender.has_gso() && receiver.has_gro();
  const datagrams batch{std::vector<std::size_t>(20, 1000)};
  const auto messages = [&] {
    sender.send(batch.buffer(), 0, loopback(receiver, ip_family::v4),
                std::nullopt);
    const auto got = receive_all(receiver, 20);
    CHECK(got.datagrams == batch.all());
    return got.messages.size();
  };
  sender.use({false, true, true});
  CHECK_FALSE(sender.has_gso());
  CHECK(messages() == 20);
  receiver.use({true, false, true});
  sender.use({true, true, true});
  CHECK_FALSE(receiver.has_gro());
  CHECK(messages() == 20);
  receiver.use({true, true, true});
  CHECK(messages() == (able ? 1 : 20));
  sender.use({false, false, false});
  const auto beside = sender.open_beside(100'000, 100'000);
  REQUIRE(beside);
  CHECK_FALSE(beside->has_gso());
  CHECK_FALSE(beside->has_gro());
  CHECK(beside->features() == udp_features{false, false, false});
}

TEST_CASE("several messages are received with one call, and no more than "
          "wanted") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_udp(ip_family::v4, false);
  auto receiver = open_udp(ip_family::v4, false);
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
  auto client = open_udp(family);
  auto server = open_udp(family);
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
