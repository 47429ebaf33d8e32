// One port, several sockets: what the kernel gives to which.
#include "tests/platform/support.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

std::vector<std::byte> message(std::uint8_t type, std::size_t size) {
  auto bytes = pattern(size, 1);
  bytes[0] = std::byte{type};
  for (std::size_t i = 1; i < 4 && i < size; ++i)
    bytes[i] = std::byte{0};
  return bytes;
}

/// The sockets of a port on the loopback link.
struct divided_port {
  explicit divided_port(ip_family used)
    : family(used), peers(open_udp(used)), strangers(beside()),
      another(beside()) {
  }
  udp_socket beside() const {
    auto opened = peers.open_beside(65536, 65536);
    REQUIRE(opened);
    CHECK(opened->port() == peers.port());
    return std::move(*opened);
  }
  /// Whether the message comes to the socket of peers; it comes once.
  bool comes_to_peers(udp_socket& sender, const std::vector<std::byte>& bytes) {
    REQUIRE(sender.send(bytes, loopback(peers, family), std::nullopt).failed
            == 0);
    std::array<pollfd, 2> both{
      {{peers.descriptor(), POLLIN, 0}, {strangers.descriptor(), POLLIN, 0}}};
    REQUIRE(::poll(both.data(), both.size(), 10'000) == 1);
    const auto to_peers = both[0].revents != 0;
    CHECK(receive_all(to_peers ? peers : strangers, 1).datagrams.at(0)
          == bytes);
    return to_peers;
  }

  ip_family family;
  udp_socket peers;
  udp_socket strangers;
  udp_socket another; ///< receives nothing
};

} // namespace

TEST_CASE("transport messages and the rest come to different sockets of one "
          "port") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  divided_port port(family);
  REQUIRE(port.peers.divide(std::nullopt));
  for (int i = 0; i < 4; ++i) { // by whatever hash the kernel may use
    auto sender = open_udp(family);
    CHECK(port.comes_to_peers(sender, message(4, 32)));
    CHECK(port.comes_to_peers(sender, message(4, 1452)));
    CHECK_FALSE(port.comes_to_peers(sender, message(1, 148)));
    CHECK_FALSE(port.comes_to_peers(sender, message(2, 92)));
    CHECK_FALSE(port.comes_to_peers(sender, message(3, 64)));
    CHECK_FALSE(port.comes_to_peers(sender, message(4, 31)));
    CHECK_FALSE(port.comes_to_peers(sender, message(4, 1)));
    CHECK_FALSE(port.comes_to_peers(sender, pattern(100, 9)));
  }
}

TEST_CASE("transport messages of unknown senders come to the strangers' "
          "socket") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  divided_port port(family);
  const auto data = message(4, 96);
  auto stranger = open_udp(family);
  const auto count = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{5},
                              std::size_t{100}, udp_socket::max_known - 4);
  std::vector<endpoint> known;
  for (std::size_t i = 0; i < count; ++i)
    known.push_back(
      {address(family == ip_family::v4 ? "198.51.100.7" : "2001:db8::7"),
       static_cast<std::uint16_t>(i + 1)});
  std::vector<udp_socket> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(open_udp(family));
    known.push_back(loopback(peers.back(), family));
  }
  REQUIRE(port.peers.divide(known));
  for (auto& peer : peers) {
    CHECK(port.comes_to_peers(peer, data));
    CHECK_FALSE(port.comes_to_peers(peer, message(1, 148)));
  }
  CHECK_FALSE(port.comes_to_peers(stranger, data));
  // Who becomes known is heard at once.
  known.push_back(loopback(stranger, family));
  REQUIRE(port.peers.divide(known));
  CHECK(port.comes_to_peers(stranger, data));
  CHECK(port.comes_to_peers(peers[0], data));
}

TEST_CASE("without the strangers' socket everything comes to the first one") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto peers = open_udp(ip_family::v4);
  {
    const udp_sockets none{};
    CHECK(open_stranger_sockets(none));
    auto beside = peers.open_beside(4096, 4096);
    REQUIRE(beside);
    REQUIRE(peers.divide(std::nullopt));
  }
  auto sender = open_udp(ip_family::v4);
  sender.send(message(1, 148), loopback(peers, ip_family::v4), std::nullopt);
  CHECK(receive_all(peers, 1).datagrams.size() == 1);
}

TEST_CASE("a port that is divided is taken all the same") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto opened = open_udp_sockets({address("::"), 0}, 0);
  REQUIRE(opened);
  auto strangers = open_stranger_sockets(*opened);
  REQUIRE(strangers);
  CHECK(strangers->port() == opened->port());
  const auto again = open_udp_sockets({address("::"), opened->port()}, 0);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == EADDRINUSE);
  // Both have to go before it is free.
  const auto port = opened->port();
  opened->v4.reset();
  opened->v6.reset();
  CHECK_FALSE(open_udp_sockets({address("::"), port}, 0));
  strangers->v4.reset();
  strangers->v6.reset();
  CHECK(open_udp_sockets({address("::"), port}, 0));
}

TEST_CASE("a port that others share already is not taken") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto holder = open_udp(ip_family::v4);
  const int on = 1;
  REQUIRE(
    ::setsockopt(holder.descriptor(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)
    == 0);
  const auto second = open_udp_sockets({address("0.0.0.0"), holder.port()}, 0);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == EADDRINUSE);
}

TEST_CASE("datagrams to many endpoints leave with one call, and one that is "
          "refused takes no other along") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_udp(ip_family::v4);
  auto first = open_udp(ip_family::v4);
  auto second = open_udp(ip_family::v4);
  const auto a = pattern(64, 1);
  const auto b = pattern(64, 2);
  const source_address local{address("127.0.0.9"), 1};
  const endpoint nowhere{address("198.51.100.1"), 9};
  std::vector<addressed_datagram> batch{
    {a, loopback(first, ip_family::v4), local},
    {a, nowhere, std::nullopt},
    {b, loopback(second, ip_family::v4), std::nullopt}};
  for (int i = 0; i < 200; ++i) // more than one call takes
    batch.push_back({b, loopback(first, ip_family::v4), std::nullopt});
  CHECK(sender.send(batch) == 202);
  const auto got = receive_all(first, 201);
  REQUIRE(got.datagrams.size() == 201);
  CHECK(got.datagrams[0] == a);
  CHECK(got.messages[0].remote.address == local.address);
  CHECK(got.datagrams[200] == b);
  CHECK(receive_all(second, 1).datagrams.at(0) == b);
}

TEST_CASE("what the host's firewall refuses is given up, and nothing else") {
  if (!can_make_networks() || !succeeds("nft --version > /dev/null 2>&1"))
    return;
  const network_namespace here;
  run("nft add table ip t && nft 'add chain ip t out { type filter hook output "
      "priority 0; }' && nft add rule ip t out udp dport 9 drop");
  auto sender = open_udp(ip_family::v4);
  auto receiver = open_udp(ip_family::v4);
  const source_address source{address("127.0.0.1"), 1};
  const datagrams batch{{100, 200, 300}};
  const auto refused
    = sender.send(batch.buffer(), 0, {address("127.0.0.1"), 9}, source);
  CHECK(refused.status == udp_socket::io_status::failed);
  CHECK(refused.code == EPERM);
  CHECK(refused.sent == 3);
  CHECK(refused.failed == 3);
  CHECK_FALSE(refused.source_was_invalid);
  const auto sent
    = sender.send(batch.buffer(), 0, loopback(receiver, ip_family::v4), source);
  CHECK(sent.status == udp_socket::io_status::ok);
  CHECK(receive_all(receiver, 3).datagrams == batch.all());
}
