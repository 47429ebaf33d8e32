// What the network says of datagrams that were sent, and whom that must not
// cost anything.
#include "tests/platform/forged_icmp.hpp"
#include "tests/platform/support.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

using namespace weft;
using namespace weft::test;
using io_status = udp_socket::io_status;

namespace {

/// A port of the loopback link that nobody listens on.
endpoint closed_port(ip_family family) {
  const auto ended = open_udp(family);
  return loopback(ended, family);
}

/// Whether an error comes to the socket within 10 s.
bool await_error(const udp_socket& socket) {
  pollfd entry{socket.descriptor(), 0, 0};
  return ::poll(&entry, 1, 10'000) == 1 && (entry.revents & POLLERR) != 0;
}

} // namespace

TEST_CASE("that a datagram was too big is told with what would pass, unless "
          "that is switched off") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto sender = open_udp(ip_family::v4);
  auto receiver = open_udp(ip_family::v4);
  const auto datagram = pattern(148, 7);
  std::vector<network_error> errors;
  claim_too_big(loopback(sender, ip_family::v4),
                loopback(receiver, ip_family::v4), 1400, datagram);
  REQUIRE(await_error(sender));
  sender.receive_errors(errors);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].code == EMSGSIZE);
  CHECK(errors[0].by_icmp);
  CHECK(errors[0].mtu == 1400);
  CHECK(errors[0].remote == loopback(receiver, ip_family::v4));
  CHECK(std::equal(errors[0].quoted.begin(), errors[0].quoted.end(),
                   datagram.begin()));
  // It costs no datagram, and no larger one is held back for it.
  const datagrams batch{std::vector<std::size_t>(9, 1452)};
  claim_too_big(loopback(sender, ip_family::v4),
                loopback(receiver, ip_family::v4), 1000, datagram);
  CHECK(
    sender
      .send(batch.buffer(), 0, loopback(receiver, ip_family::v4), std::nullopt)
      .failed
    == 0);
  CHECK(receive_all(receiver, 9).datagrams == batch.all());

  sender.receive_errors(errors);
  errors.clear();
  sender.use({true, true, false});
  claim_too_big(loopback(sender, ip_family::v4),
                loopback(receiver, ip_family::v4), 1400, datagram);
  sender.receive_errors(errors); // it was dealt with while it was sent
  CHECK(errors.empty());
}

TEST_CASE(
  "a refused datagram is quoted, with where it was sent and the errno") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const auto to = closed_port(family);
  auto sender = open_udp(family);
  const auto length = GENERATE(std::size_t{148}, std::size_t{3});
  const auto datagram = pattern(length, 7);
  REQUIRE(sender.send(datagram, to, std::nullopt).failed == 0);
  REQUIRE(await_error(sender));
  std::vector<network_error> errors;
  sender.receive_errors(errors);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].code == ECONNREFUSED);
  CHECK(errors[0].by_icmp);
  CHECK(errors[0].remote == to);
  const auto quoted = std::min(length, errors[0].quoted.size());
  CHECK(errors[0].quoted_size == quoted);
  CHECK(std::equal(datagram.begin(),
                   datagram.begin() + static_cast<std::ptrdiff_t>(quoted),
                   errors[0].quoted.begin()));
  CHECK_FALSE(sender.may_have_errors());
  sender.receive_errors(errors);
  CHECK(errors.size() == 1);
}

TEST_CASE("an error for one destination costs another no datagram") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const auto refused = closed_port(family);
  auto sender = open_udp(family);
  auto receiver = open_udp(family);
  const auto live = loopback(receiver, family);
  const source_address source{live.address, 1};
  const datagrams batch{{700, 700, 700, 20, 90, 90}};
  constexpr int rounds = 100;
  for (int i = 0; i < rounds; ++i) {
    sender.send(pattern(148, 1), refused, std::nullopt);
    const auto sent = sender.send(batch.buffer(), 0, live, source);
    CHECK(sent.status == io_status::ok);
    CHECK_FALSE(sent.source_was_invalid);
    CHECK(receive_all(receiver, 6).datagrams == batch.all());
    // The same for datagrams to one endpoint each.
    sender.send(pattern(148, 1), refused, std::nullopt);
    const auto cookie = pattern(64, 2);
    const addressed_datagram one{cookie, live, std::nullopt};
    CHECK(sender.send({&one, 1}) == 1);
    CHECK(receive_all(receiver, 1).datagrams.size() == 1);
  }
  CHECK(sender.may_have_errors());
}

TEST_CASE("one call takes a bounded number of errors, and the next the rest") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto refused = closed_port(ip_family::v4);
  auto sender = open_udp(ip_family::v4);
  // The kernel limits what it says to one address in a second.
  write_file("/proc/sys/net/ipv4/icmp_ratelimit", "0");
  constexpr std::size_t count = udp_socket::max_errors + 10;
  for (std::size_t i = 0; i < count; ++i)
    sender.send(pattern(148, 1), refused, std::nullopt);
  std::vector<network_error> errors;
  sender.receive_errors(errors);
  CHECK(errors.size() == udp_socket::max_errors);
  CHECK(sender.may_have_errors());
  sender.receive_errors(errors);
  CHECK(errors.size() == count);
  CHECK_FALSE(sender.may_have_errors());
}

TEST_CASE("a receive call that an error ends too early notes it") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto socket = open_udp(ip_family::v4);
  socket.send(pattern(40, 0), closed_port(ip_family::v4), std::nullopt);
  REQUIRE(await_error(socket));
  std::vector<std::byte> memory(udp_socket::receive_stride);
  std::vector<received_datagrams> out;
  CHECK(socket.receive(memory, 1, out) == io_status::would_block);
  CHECK(socket.may_have_errors());
}

TEST_CASE("what the queue of the outgoing link has no room for is counted as "
          "such") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add d0 type veth peer name d1 && ip link set d1 up && "
      "ip link set d0 up && ip addr add 10.7.0.1/24 dev d0 && "
      "ip neigh add 10.7.0.2 lladdr 02:00:00:00:00:02 dev d0");
  if (!succeeds("tc qdisc add dev d0 root tbf rate 8kbit burst 1500 limit 1500 "
                "2>/dev/null")) {
    WARN("skipped: this kernel has no token bucket filter");
    return;
  }
  auto sender = open_udp(ip_family::v4, false);
  const datagrams batch{std::vector<std::size_t>(20, 1000)};
  const auto sent
    = sender.send(batch.buffer(), 0, {address("10.7.0.2"), 9}, std::nullopt);
  CHECK(sent.status == io_status::failed);
  CHECK(sent.sent == 20);
  CHECK(sent.failed > 0);
  CHECK(sent.failed == sent.crowded_out);
}
