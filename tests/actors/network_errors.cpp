#include "actors/packets/network_errors.hpp"

#include "actors/packets/stranger_port.hpp"
#include "actors/packets/udp_port.hpp"
#include "tests/actors/support.hpp"
#include "tests/platform/forged_icmp.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/support.hpp"

#include <poll.h>

#include <cerrno>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t slot = 2;
constexpr time_point now{1h};

/// A port of the loopback link that nobody listens on.
endpoint closed_port() {
  const auto ended = open_udp(ip_family::v4);
  return loopback(ended, ip_family::v4);
}

/// A peer in a slot, and the routes that lead to it.
struct routed {
  routed() {
    peer_table table;
    table.set(slot, peer.handle());
    snapshot = std::make_shared<routes>(allowed_ips{}, table, indices);
    errors.set_routes(snapshot);
  }

  /// The beginning of a message of this type, with this index in it.
  static std::vector<std::byte>
  message(message_type type, std::uint32_t index,
          std::size_t size = wire::initiation_size) {
    std::vector<std::byte> bytes(size);
    bytes[0] = static_cast<std::byte>(type);
    store_le(bytes.data() + wire::initiation_sender, index);
    return bytes;
  }
  std::vector<std::byte> initiation() const {
    return message(message_type::initiation, indices->encode(slot, 1));
  }
  /// What the peer was told once the answer to `datagram` has been read.
  std::vector<path_failed> told_of(const std::vector<std::byte>& datagram,
                                   const endpoint& to, time_point when = now) {
    socket.send(datagram, to, std::nullopt);
    pollfd entry{socket.descriptor(), 0, 0};
    REQUIRE(::poll(&entry, 1, 10'000) == 1);
    errors.read(socket, when);
    return taken();
  }
  std::vector<path_failed> taken() {
    peer.settle();
    return peer.take<path_failed>();
  }

  world home;
  deterministic_random random{5};
  std::shared_ptr<const receiver_index_codec> indices
    = std::make_shared<receiver_index_codec>(random);
  fake<peer_actor> peer{home};
  routes_ptr snapshot;
  network_errors errors;
  udp_socket socket = open_udp(ip_family::v4);
};

} // namespace

TEST_CASE_METHOD(routed, "A refused initiation is told to the peer whose index "
                         "it bears") {
  const auto to = closed_port();
  const auto told = told_of(initiation(), to);
  REQUIRE(told.size() == 1);
  CHECK(told[0].code == ECONNREFUSED);
  CHECK(told[0].where == to);
  CHECK(told[0].initiation == indices->encode(slot, 1));
}

TEST_CASE_METHOD(routed,
                 "What quotes no initiation of ours is told to nobody") {
  const auto to = closed_port();
  CHECK(told_of(message(message_type::transport, indices->encode(slot, 1)), to)
          .empty());
  CHECK(
    told_of(message(message_type::initiation, indices->encode(slot + 1, 1)), to)
      .empty());
  // Some routers quote too little.
  const auto whole = initiation();
  CHECK(told_of({whole.begin(), whole.begin() + 7}, to).empty());
  errors.clear();
  CHECK(told_of(initiation(), to).empty());
}

TEST_CASE_METHOD(routed, "A peer hears once a second that a way fails, however "
                         "it is found out") {
  const auto to = closed_port();
  CHECK(told_of(initiation(), to).size() == 1);
  CHECK(told_of(initiation(), to).empty());
  errors.send_failed(peer.handle(), to, ENETUNREACH, now);
  CHECK(taken().empty());
  CHECK(told_of(initiation(), to, now + 1s).size() == 1);
  const auto other = closed_port();
  errors.send_failed(peer.handle(), other, ENETUNREACH, now);
  const auto told = taken();
  REQUIRE(told.size() == 1);
  CHECK(told[0].code == ENETUNREACH);
  CHECK_FALSE(told[0].initiation);
  errors.send_failed({}, closed_port(), EPERM, now); // nobody's
}

TEST_CASE_METHOD(routed, "Of very many ways that fail in one second some are "
                         "told") {
  for (std::uint16_t port = 1; port <= network_errors::max_told + 100; ++port)
    errors.send_failed(peer.handle(), {address("192.0.2.1"), port}, EPERM, now);
  CHECK(taken().size() == network_errors::max_told);
  errors.send_failed(peer.handle(), {address("192.0.2.2"), 1}, EPERM, now + 1s);
  CHECK(taken().size() == 1);
}

TEST_CASE_METHOD(routed, "Forged words on endpoints that nobody has do not "
                         "use up what is told of datagrams that were too big") {
  if (!can_make_networks())
    return;
  const auto known = closed_port();
  std::vector<endpoint> told;
  network_errors listening{
    {[&](const endpoint& where) { return where == known; },
     [&](const path_too_narrow& said) { told.push_back(said.where); }}};
  const auto claim = [&](const endpoint& to) {
    claim_too_big(loopback(socket, ip_family::v4), to, 1400);
    REQUIRE(await_readable(socket.descriptor()));
    listening.read(socket, now);
  };
  for (std::uint16_t port = 1; port <= network_errors::max_told; ++port)
    claim({address("198.51.100.1"), port});
  CHECK(told.empty());
  claim(known);
  claim(known); // once a second
  CHECK(told == std::vector{known});
}

TEST_CASE_METHOD(routed, "A peer hears of a refused initiation whichever "
                         "socket of the port the answer comes to") {
  const auto any = *parse_endpoint("127.0.0.1:0");
  auto opened = open_udp_sockets(any, 0);
  REQUIRE(opened);
  auto beside = open_stranger_sockets(*opened);
  REQUIRE(beside);
  const auto loop = home.start_loop();
  const auto port
    = home.spawn<udp_port>(loop.loop, std::make_shared<workspace>(indices),
                           std::move(*opened), any, 0u, udp_features{},
                           std::make_shared<udp_sockets>(std::move(*beside)));
  const auto strangers = home.spawn<stranger_port>(loop.loop, port);
  home.ask<drop_report>(strangers, report_request{});
  REQUIRE_FALSE(home.command(port, routes_changed{snapshot}));
  // The kernel chooses by a hash of the addresses.
  constexpr int ways = 16;
  for (int i = 0; i < ways; ++i) {
    const auto to = closed_port();
    outgoing_ptr batch{new outgoing_batch};
    const auto datagram = initiation();
    const auto room = batch->datagrams.add_message(datagram.size());
    std::copy(datagram.begin(), datagram.end(), room.begin());
    caf::anon_send(port, outgoing_datagrams{batch, {to, {}}, peer.handle()});
    const auto told = peer.next<path_failed>();
    CHECK(told.code == ECONNREFUSED);
    CHECK(told.where == to);
  }
  // There is no socket of the other family.
  outgoing_ptr batch{new outgoing_batch};
  batch->datagrams.add_message(100);
  const auto there = *parse_endpoint("[2001:db8::1]:9");
  caf::anon_send(port, outgoing_datagrams{batch, {there, {}}, peer.handle()});
  const auto told = peer.next<path_failed>();
  CHECK(told.code == EAFNOSUPPORT);
  CHECK(told.where == there);
  CHECK_FALSE(told.initiation);
}
