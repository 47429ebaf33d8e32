// What a peer makes of the path to the other end: addresses, marks, its MTU.
#include "tests/actors/tunnel.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// An inner packet from 10.0.0.1 to 10.0.0.2 with this mark.
bytes marked_packet(congestion_mark mark) {
  inner_packet packet;
  packet.tcp = false;
  packet.source_host = 1;
  packet.destination_host = 2;
  packet.traffic_class = static_cast<std::uint8_t>(mark);
  packet.payload.resize(40);
  return build(packet);
}

/// What the network says of the last datagram of `sent`.
path_too_narrow too_big(const outgoing_datagrams& sent, std::uint32_t mtu) {
  path_too_narrow said;
  said.where = sent.path.remote;
  said.mtu = mtu;
  const auto& datagrams = sent.batch->datagrams;
  std::copy_n(datagrams[datagrams.size() - 1].begin(), said.quoted.size(),
              said.quoted.begin());
  said.quoted_size = said.quoted.size();
  return said;
}

} // namespace

TEST_CASE_METHOD(tunnel, "Replies leave from the address that was sent to, "
                         "until it is lost") {
  right.local = source_address{endpoint_of("192.0.2.200:1").address, 3};
  connect();
  send(b, {udp_packet(2, 1, 1)});
  CHECK(b.sent(home).at(0).path == network_path{left.address, right.local});
  caf::anon_send(b.actor, source_lost{});
  send(b, {udp_packet(2, 1, 2)});
  CHECK(b.sent(home).at(0).path == network_path{left.address, std::nullopt});
}

TEST_CASE_METHOD(tunnel, "When routes of the host change, the address that was "
                         "sent to stays as long as it is right") {
  bool holds = true;
  right.space = std::make_shared<workspace>(
    right.indices, workspace::tunnel_probe{},
    [&](const network_path& path, std::uint32_t) {
      CHECK(path == network_path{left.address, right.local});
      return holds;
    });
  right.local = source_address{endpoint_of("192.0.2.200:1").address, 3};
  const tunnel_end other{right, right.spawn_peer(home, 9, left.as_peer())};
  send(a, {udp_packet(1, 2, 50)});
  exchange(home, a, other);
  for (const auto& [answer, local] :
       {std::pair{true, right.local},
        std::pair{false, decltype(right.local){}}}) {
    holds = answer;
    caf::anon_send(other.actor, host_routes_changed{});
    send(other, {udp_packet(2, 1, 2)});
    CHECK(other.sent(home).at(0).path == network_path{left.address, local});
  }
}

TEST_CASE_METHOD(tunnel,
                 "Datagrams bear the marks of their packets, also those "
                 "that had to wait for a session") {
  using enum congestion_mark;
  const bool waiting = GENERATE(true, false);
  if (!waiting)
    connect();
  send(a, {marked_packet(capable_0), marked_packet(not_capable),
           marked_packet(congested)});
  std::vector<congestion_mark> marks;
  for (bool more = true; more;) {
    more = false;
    for (const auto& [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      for (const auto& sent : from->sent(home)) {
        more = true;
        const auto types = types_in(sent);
        for (std::size_t i = 0; i < types.size(); ++i) {
          const auto mark = sent.batch->datagrams.slices()[i].mark;
          if (types[i] == transport && from == &a)
            marks.push_back(mark);
          else
            CHECK(mark == not_capable);
        }
        carry(sent, from->host.address, to->host, to->actor);
      }
    }
  }
  CHECK(marks == std::vector{capable_0, not_capable, congested});
}

TEST_CASE_METHOD(tunnel, "The mark of a datagram reaches the packet in it, and "
                         "costs one that knows none its life") {
  using enum congestion_mark;
  connect();
  send(a, {marked_packet(capable_0), marked_packet(not_capable),
           marked_packet(capable_1)});
  carry(a.sent(home).at(0), left.address, right, b.actor, congested);
  CHECK(drops(b, drop_reason::congested) == 1);
  CHECK(right.delivered.take<bytes>()
        == std::vector{marked_packet(congested), marked_packet(congested)});
}

TEST_CASE_METHOD(tunnel, "Who says that a datagram was too big is heard if it "
                         "was one of this session, to where the peer is") {
  connect();
  send(a, {udp_packet(1, 2, 100)});
  const auto sent = a.sent(home).at(0);
  const auto said = too_big(sent, 1400);
  auto elsewhere = said;
  elsewhere.where.port = 9;
  auto forged = said;
  forged.quoted[5] ^= std::byte{1};
  for (const auto& ignored : {elsewhere, forged})
    caf::anon_send(a.actor, ignored);
  CHECK(a.report(home).status.too_big == 0);
  CHECK(a.report(home).status.path_mtu == 0);
  caf::anon_send(a.actor, said);
  CHECK(a.report(home).status.too_big == 1);
  CHECK(a.report(home).status.path_mtu == 1400);
  CHECK(a.report(home).status.state.word == peer_word::up);
  CHECK(a.report(home).status.state.reason.empty());

  SECTION("but no lower than every network carries") {
    auto low = said;
    low.mtu = 68;
    low.quoted_size = 4; // which is too short to be told from others
    caf::anon_send(a.actor, low);
    CHECK(a.report(home).status.path_mtu == 576);
    CHECK(a.report(home).status.too_big == 2);
  }
  SECTION("for ten minutes") {
    home.advance(10min - 1s);
    CHECK(a.report(home).status.path_mtu == 1400);
    home.advance(1s);
    CHECK(a.report(home).status.path_mtu == 0);
    CHECK(a.report(home).status.too_big == 1);
  }
  SECTION("until the peer is elsewhere") {
    right.address = endpoint_of("192.0.2.99:7");
    send(b, {udp_packet(2, 1, 10)});
    received_by(a);
    CHECK(a.report(home).status.path_mtu == 0);
  }
}
