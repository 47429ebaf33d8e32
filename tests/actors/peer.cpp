#include "actors/peers/peer.hpp"

#include "tests/actors/tunnel.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using status = tun_device::io_status;

TEST_CASE_METHOD(tunnel, "The first packets start a handshake, and arrive in "
                         "order once it is done") {
  const std::vector<bytes> packets{udp_packet(1, 2, 100, 1),
                                   udp_packet(1, 2, 1000, 2),
                                   udp_packet(1, 2, 7, 3)};
  send(a, {packets[0]});
  send(a, {packets[1], packets[2]});
  CHECK(exchange(home, a, b)
        == types{initiation, response, transport, transport, transport});
  // Without their padding.
  CHECK(right.delivered.take<bytes>() == packets);
  send(b, {udp_packet(2, 1, 30)});
  CHECK(exchange(home, a, b) == types{transport});
  CHECK(left.delivered.take<bytes>()
        == std::vector<bytes>{udp_packet(2, 1, 30)});
  const auto report = a.report(home);
  CHECK(report.slot == 5);
  CHECK(report.status.public_key == right.key());
  CHECK(report.status.tx_packets == 3);
  CHECK(report.status.rx_packets == 1);
  CHECK(report.status.tx_bytes == 148 + (128 + 32) + (1040 + 32) + (48 + 32));
  CHECK(report.status.rx_bytes == 92 + (64 + 32));
  REQUIRE(report.status.last_handshake);
  CHECK(report.status.last_handshake == loop.loop->wall());
  CHECK(b.report(home).status.last_handshake);
}

TEST_CASE_METHOD(tunnel, "Once there is a session a batch is sealed where it "
                         "lies and sent at once") {
  connect();
  const auto packets = outgoing_of({udp_packet(1, 2, 5), udp_packet(1, 2, 6)});
  const auto* batch = packets.batch.get();
  caf::anon_send(a.actor, packets);
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].batch.get() == batch);
  CHECK(types_in(sent[0]) == types{transport, transport});
  CHECK(sent[0].path == network_path{right.address, std::nullopt});
}

TEST_CASE_METHOD(tunnel, "A packet whose source is not the peer's is dropped "
                         "and counted, and yet the endpoint follows") {
  connect();
  left.address = endpoint_of("[2001:db8::7]:1234");
  send(a, {udp_packet(3, 2, 10), udp_packet(1, 2, 10), udp_packet(4, 2, 10)});
  CHECK(received_by(b) == std::vector<bytes>{udp_packet(1, 2, 10)});
  CHECK(drops(b, drop_reason::wrong_source) == 2);
  CHECK(b.report(home).status.endpoint == left.address);
}

TEST_CASE_METHOD(tunnel, "A packet whose source another peer has with a longer "
                         "prefix is dropped") {
  connect();
  right.allow({{"10.0.0.0/24", 9}, {"10.0.0.1/32", 3}});
  send(a, {udp_packet(1, 2, 10), udp_packet(7, 2, 10)});
  CHECK(received_by(b) == std::vector<bytes>{udp_packet(7, 2, 10)});
  CHECK(drops(b, drop_reason::wrong_source) == 1);
}

TEST_CASE_METHOD(tunnel, "What is no IP packet is dropped and counted") {
  connect();
  send(a, {bytes(16, std::byte{0x33}), bytes(16, std::byte{0x45})});
  CHECK(received_by(b).empty());
  CHECK(drops(b, drop_reason::malformed_inner) == 2);
}

TEST_CASE_METHOD(tunnel, "What the TUN device refuses is counted") {
  connect();
  for (const auto& [answer, reason] :
       {std::pair{status::rejected, drop_reason::device_rejected},
        std::pair{status::would_block, drop_reason::device_busy},
        std::pair{status::not_up, drop_reason::device_busy},
        std::pair{status::lost, drop_reason::device_busy}}) {
    const auto before = drops(b, reason);
    loop.run([&, what = answer] { right.device = [what] { return what; }; });
    send(a, {udp_packet(1, 2, 10)});
    CHECK(received_by(b).empty());
    CHECK(drops(b, reason) == before + 1);
  }
}

TEST_CASE_METHOD(tunnel, "A session that is wanted is started unless there is "
                         "one") {
  caf::anon_send(a.actor, session_wanted{});
  CHECK(exchange(home, a, b) == types{initiation, response, transport});
  caf::anon_send(a.actor, session_wanted{});
  CHECK(a.sent(home).empty());
}

TEST_CASE_METHOD(tunnel, "Packets for a peer without an endpoint are dropped, "
                         "and nothing is sent") {
  auto settings = right.as_peer();
  settings.endpoint.reset();
  const tunnel_end nowhere{left, left.spawn_peer(home, 6, settings)};
  send(nowhere, {udp_packet(1, 2, 9)});
  caf::anon_send(nowhere.actor, session_wanted{});
  CHECK(nowhere.sent(home).empty());
  CHECK(drops(nowhere, drop_reason::no_endpoint) == 1);
}

TEST_CASE_METHOD(tunnel, "While the link is down a peer is silent and its "
                         "sessions are gone, then it begins anew") {
  connect();
  caf::anon_send(a.actor, change_identity{left.self, false});
  send(a, {udp_packet(1, 2, 1)});
  caf::anon_send(a.actor, session_wanted{});
  caf::anon_send(a.actor, deadline_passed{});
  CHECK(a.sent(home).empty());
  // What is sent to it is not answered either.
  send(b, {udp_packet(2, 1, 1)});
  CHECK(received_by(a).empty());
  CHECK(drops(a, drop_reason::unknown_index) == 1);
  caf::anon_send(a.actor, change_identity{left.self, true});
  const auto types_sent = exchange(home, a, b);
  REQUIRE_FALSE(types_sent.empty());
  CHECK(types_sent.front() == initiation);
}

TEST_CASE_METHOD(tunnel, "A persistent keepalive speaks by itself from the "
                         "start") {
  auto settings = right.as_peer();
  settings.persistent_keepalive = 25s;
  const tunnel_end keeping{left, left.spawn_peer(home, 5, settings)};
  CHECK(exchange(home, keeping, b) == types{initiation, response, transport});
  CHECK(right.delivered.count<bytes>() == 0);
  // It is also switched on later, and waits for an identity.
  caf::anon_send(b.actor, change_identity{nullptr, true});
  patch<peer_config> changes;
  changes.set(&peer_config::persistent_keepalive, 10s);
  caf::anon_send(b.actor, changes);
  CHECK(b.sent(home).empty());
  CHECK(b.report(home).status.persistent_keepalive == 10s);
  caf::anon_send(b.actor, change_identity{right.self, true});
  CHECK(types_in(b.sent(home).at(0)) == types{initiation});
}

TEST_CASE_METHOD(tunnel, "A peer asks to be woken for the next handshake "
                         "attempt, and only when that is earlier than before") {
  CHECK(left.clock.count<arm_deadline>() == 0);
  const auto now = loop.loop->now();
  send(a, {udp_packet(1, 2, 1)});
  const auto armed = left.clock.next<arm_deadline>();
  CHECK(armed.slot == 5);
  CHECK(armed.peer == a.actor);
  REQUIRE(armed.when);
  CHECK(*armed.when >= now + 5s);
  CHECK(*armed.when <= now + 5333ms);
  // Later deadlines need no message; waking too early changes nothing but
  // that it asks again.
  exchange(home, a, b);
  left.clock.settle();
  CHECK(left.clock.count<arm_deadline>() == 0);
  caf::anon_send(a.actor, deadline_passed{});
  CHECK(a.sent(home).empty());
  CHECK(left.clock.next<arm_deadline>().when > armed.when);
}

TEST_CASE_METHOD(tunnel, "A report shows the preshared key only to whom asks "
                         "for secrets") {
  preshared_key secret_key{unhex_secret(std::string(64, '7'))};
  patch<peer_config> changes;
  changes.set(&peer_config::preshared_key, secret_key);
  caf::anon_send(a.actor, changes);
  CHECK(a.report(home).status.preshared_key.is_zero());
  CHECK(a.report(home, true).status.preshared_key == secret_key);
}

TEST_CASE_METHOD(tunnel, "Changes reach the session without ending it") {
  connect();
  patch<peer_config> changes;
  changes.set(&peer_config::name, "beta");
  const host_endpoint host{"beta.example.net", 9};
  const auto found = endpoint_of("198.51.100.1:9");
  changes.set(&peer_config::endpoint, host);
  changes.set(&peer_config::preshared_key,
              preshared_key{unhex_secret(std::string(64, '5'))});
  caf::anon_send(a.actor, changes);
  caf::anon_send(a.actor, endpoint_found{found});
  const auto report = a.report(home).status;
  CHECK(report.name == "beta");
  CHECK(report.endpoint == found);
  CHECK(report.endpoint_host == "beta.example.net:9");
  send(a, {udp_packet(1, 2, 44)});
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].path.remote == found);
  carry(sent[0], left.address, right, b.actor);
  CHECK(right.delivered.next<bytes>() == udp_packet(1, 2, 44));
  // What is absent stays.
  caf::anon_send(a.actor, patch<peer_config>{});
  CHECK(a.report(home).status.name == "beta");
}

TEST_CASE_METHOD(tunnel, "A session stays where it is when the configured "
                         "endpoint is cleared") {
  connect();
  patch<peer_config> changes;
  changes.clear(&peer_config::endpoint);
  caf::anon_send(a.actor, changes);
  CHECK(a.report(home).status.endpoint == right.address);
  send(a, {udp_packet(1, 2, 44)});
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].path.remote == right.address);
  // What came from there no longer begins a session, as it is nowhere.
  caf::anon_send(a.actor, change_identity{left.self, true});
  a.sent(home);
  caf::anon_send(a.actor, session_wanted{});
  CHECK(a.sent(home).empty());
}

TEST_CASE_METHOD(tunnel, "Datagrams of several senders in one chain are "
                         "credited to the sender of each run") {
  connect();
  send(a, {udp_packet(1, 2, 1), udp_packet(1, 2, 2)});
  const auto sent = a.sent(home).at(0);
  incoming_ptr chain{new incoming_batch(outgoing_batch::capacity)};
  std::size_t used = 0;
  for (std::uint16_t i = 0; i < 2; ++i) {
    const auto datagram = sent.batch->datagrams[i];
    const auto place = chain->memory().subspan(used, datagram.size());
    std::copy(datagram.begin(), datagram.end(), place.begin());
    used += datagram.size();
    chain->datagrams.push_back({place, i});
    chain->paths.push_back(
      {{endpoint_of("192.0.2.77:" + std::to_string(100 + i)), std::nullopt},
       {}});
  }
  chain->datagrams[0].next = 1;
  // A forged datagram at the end moves no endpoint.
  chain->datagrams[1].next = 2;
  const auto forged
    = chain->memory().subspan(used, sent.batch->datagrams[0].size());
  std::copy_n(sent.batch->datagrams[0].begin(), forged.size(), forged.begin());
  store_le(forged.data() + wire::transport_counter, std::uint64_t{1000});
  chain->datagrams.push_back({forged, 2});
  chain->paths.push_back({{endpoint_of("203.0.113.6:6"), std::nullopt}, {}});
  caf::anon_send(b.actor, incoming_datagrams{chain, 0, right.allowed});
  CHECK(b.report(home).status.endpoint == endpoint_of("192.0.2.77:101"));
  CHECK(right.delivered.take<bytes>().size() == 2);
  CHECK(drops(b, drop_reason::invalid_tag) == 1);
}

TEST_CASE_METHOD(tunnel, "A forged datagram for an old session starts nothing "
                         "with a peer that has moved, and one handshake with a "
                         "peer that has not") {
  connect();
  send(b, {udp_packet(2, 1, 1)});
  const auto old_message = b.sent(home).at(0);
  // All sessions end.
  caf::anon_send(a.actor, change_identity{nullptr, true});
  caf::anon_send(a.actor, change_identity{left.self, true});
  carry(old_message, endpoint_of("203.0.113.6:6"), left, a.actor);
  CHECK(a.sent(home).empty());
  carry(old_message, right.address, left, a.actor);
  carry(old_message, right.address, left, a.actor);
  CHECK(types_in(a.sent(home).at(0)) == types{initiation});
  // The peer has moved: what comes from where it was said to be is forged.
  caf::anon_send(a.actor, change_identity{nullptr, true});
  caf::anon_send(a.actor, change_identity{left.self, true});
  const auto configured = right.address;
  right.address = endpoint_of("198.51.100.9:9");
  send(b, {udp_packet(2, 1, 2)});
  caf::anon_send(b.actor, change_identity{nullptr, true});
  caf::anon_send(b.actor, change_identity{right.self, true});
  send(b, {udp_packet(2, 1, 3)});
  for (const auto& sent : b.sent(home))
    carry(sent, right.address, left, a.actor);
  CHECK(a.report(home).status.endpoint == right.address);
  a.sent(home);
  caf::anon_send(a.actor, change_identity{nullptr, true});
  caf::anon_send(a.actor, change_identity{left.self, true});
  carry(old_message, configured, left, a.actor);
  carry(old_message, right.address, left, a.actor);
  caf::anon_send(a.actor, session_wanted{});
  CHECK(a.sent(home).empty());
}

TEST_CASE_METHOD(tunnel, "Packets that wait for peers that do not answer share "
                         "one budget") {
  std::vector<tunnel_end> ends;
  const std::vector<bytes> packets(40, udp_packet(1, 2, 1350));
  for (std::uint32_t slot = 100; slot < 300; ++slot) {
    auto settings = right.as_peer();
    settings.public_key = derive_public_key(generate_private_key(left.random));
    ends.push_back({left, left.spawn_peer(home, slot, settings)});
    for (int i = 0; i < 3; ++i)
      send(ends.back(), packets);
    CHECK(drops(ends.back(), drop_reason::queue_full) < 120);
    CHECK(loop.run([&] { return left.space->staging.used(); })
          <= staging_budget::default_bytes);
  }
  for (const auto& end : ends)
    home.end(end.actor);
  CHECK(loop.run([&] { return left.space->staging.used(); }) == 0);
}

TEST_CASE_METHOD(tunnel, "Packets that break the host's writer are lost and "
                         "counted, and reach neither the next one's host nor "
                         "end their peer") {
  connect();
  auto third_settings = left.as_peer();
  third_settings.endpoint.reset();
  const tunnel_end other{right, right.spawn_peer(home, 4, third_settings)};
  loop.run([&] {
    right.device = []() -> status { throw std::runtime_error("broken"); };
  });
  send(a, {udp_packet(1, 2, 1), udp_packet(1, 2, 2)});
  const auto sent = a.sent(home).at(0);
  carry(sent, left.address, right, b.actor);
  CHECK(drops(b, drop_reason::device_rejected) == 2);
  loop.run([&] { right.device = nullptr; });
  CHECK(right.delivered.count<bytes>() == 0);
  // An initiation and a packet for another peer on the same loop.
  right.allow({{"10.0.0.1/32", 4}});
  caf::anon_send(a.actor, change_identity{left.self, true});
  send(a, {udp_packet(1, 2, 3)});
  exchange(home, a, other);
  CHECK(right.delivered.take<bytes>()
        == std::vector<bytes>{udp_packet(1, 2, 3)});
}

TEST_CASE_METHOD(tunnel,
                 "The time that a handshake took is told, unless it had "
                 "to be repeated") {
  CHECK(a.report(home).status.round_trip == 0);
  send(a, {udp_packet(1, 2, 50)});
  auto first = a.sent(home);
  REQUIRE(first.size() == 1);
  const bool repeated = GENERATE(false, true);
  if (repeated) { // it was lost
    home.advance(6s);
    caf::anon_send(a.actor, deadline_passed{});
    first = a.sent(home);
    REQUIRE(first.size() == 1);
  }
  carry(first[0], left.address, right, b.actor);
  home.advance(25ms);
  exchange(home, a, b);
  CHECK(a.report(home).status.round_trip == (repeated ? 0 : 25'000));
  CHECK(b.report(home).status.round_trip == 0); // it has begun nothing
}

TEST_CASE_METHOD(tunnel, "Preshared keys that both sides change under traffic "
                         "lose no packet") {
  const auto key = [](char digit) {
    return preshared_key{unhex_secret(std::string(64, digit))};
  };
  const auto change = [&](const tunnel_end& end, const preshared_key& own,
                          const std::vector<preshared_key>& others) {
    patch<peer_config> update;
    update.set(&peer_config::preshared_key, own);
    update.other_preshared_keys = others;
    CHECK_FALSE(home.command(end.actor, update));
  };
  std::uint32_t number = 0;
  const auto traffic = [&] {
    for (int i = 0; i < 5; ++i) {
      const auto out = udp_packet(1, 2, 50, ++number);
      const auto back = udp_packet(2, 1, 50, ++number);
      send(a, {out});
      send(b, {back});
      exchange(home, a, b);
      CHECK(right.delivered.take<bytes>() == std::vector<bytes>{out});
      CHECK(left.delivered.take<bytes>() == std::vector<bytes>{back});
      home.advance(30s); // the session is renewed in between
    }
  };
  change(a, key('1'), {});
  change(b, key('1'), {});
  traffic();
  change(b, key('1'), {key('2')});
  traffic();
  change(a, key('2'), {key('1')});
  traffic();
  change(b, key('2'), {key('1')});
  traffic();
  change(a, key('2'), {});
  change(b, key('2'), {});
  traffic();
}

TEST_CASE_METHOD(tunnel, "A peer of the network begins nothing by itself where "
                         "nobody has proven to be it, until it is a file's") {
  home.end(a.actor);
  auto settings = right.as_peer();
  settings.persistent_keepalive = 25s;
  a.actor = home.spawn<peer>(left.loop, left.space, left.neighbours(),
                             left.self, 5u, session_ended{}, settings,
                             peer_beginning{{}, {}, peer_origin::network});
  caf::anon_send(a.actor, peer_published{});
  CHECK(a.sent(home).empty());
  caf::anon_send(a.actor, session_wanted{});
  CHECK(a.sent(home).empty());
  SECTION("packets do") {
    connect();
  }
  SECTION("or it is asked to") {
    caf::anon_send(a.actor, handshake_wanted{});
    CHECK(exchange(home, a, b) == types{initiation, response, transport});
  }
  SECTION("or it is a file's now") {
    caf::anon_send(a.actor, origin_changed{peer_origin::file});
    caf::anon_send(a.actor, session_wanted{});
    CHECK(exchange(home, a, b) == types{initiation, response, transport});
  }
}
