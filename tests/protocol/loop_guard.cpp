#include "protocol/tunnel/loop_guard.hpp"

#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

/// `datagram` as the host hands it to a TUN device: IP, UDP, and the datagram;
/// for IPv6 perhaps with the header of a first fragment.
bytes as_packet(const bytes& datagram, bool v4, bool fragmented = false) {
  bytes packet(v4 ? 20 : 40);
  packet[0] = v4 ? std::byte{0x45} : std::byte{0x60};
  packet[v4 ? 9 : 6] = std::byte{17};
  if (fragmented && !v4) {
    packet[6] = std::byte{44};
    packet.resize(48);
    packet[40] = std::byte{17};
    packet[43] = std::byte{1}; // more fragments, offset 0
  }
  packet.resize(packet.size() + 8);
  packet.insert(packet.end(), datagram.begin(), datagram.end());
  return packet;
}

bytes message_for(std::uint32_t index, std::size_t size = 200) {
  bytes message(size);
  store_le(message.data(), std::uint32_t{4});
  store_le(message.data() + 4, index);
  return message;
}

/// A guard whose probe says what the test wants, and counts.
struct guarded {
  bool in_tunnel = false;
  unsigned probes = 0;
  loop_guard::probe probe = [this](const network_path&, time_point) {
    ++probes;
    return in_tunnel;
  };
  loop_guard guard{&probe};
  time_point now{1h};
  network_path path{address_of(1), std::nullopt};

  /// Bytes that pass of `count` packets of 1000 bytes within `time`.
  std::size_t passed(std::size_t count, duration time) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      now += time / static_cast<duration::rep>(count);
      if (guard.pass(1000, path, now))
        sum += 1000;
    }
    return sum;
  }
};

} // namespace

TEST_CASE("A transport message within a packet is recognised, whole or as a "
          "first fragment") {
  const auto message = message_for(77);
  for (const bool v4 : {true, false})
    CHECK(carried_message(as_packet(message, v4)) == 77u);
  CHECK(carried_message(as_packet(message, false, true)) == 77u);
  for (const bool v4 : {true, false}) {
    auto tcp = as_packet(message, v4);
    tcp[v4 ? 9 : 6] = std::byte{6};
    CHECK_FALSE(carried_message(tcp));
    auto initiation = message;
    initiation[0] = std::byte{1};
    CHECK_FALSE(carried_message(as_packet(initiation, v4)));
    auto whole = as_packet(message_for(77, 8), v4);
    CHECK(carried_message(whole));
    for (; whole.size() > 1; whole.pop_back())
      CHECK_FALSE(carried_message(bytes(whole.begin(), whole.end() - 1)));
  }
  auto fragment = as_packet(message_for(77, 8), false, true);
  CHECK(carried_message(fragment));
  fragment.pop_back();
  CHECK_FALSE(carried_message(fragment));
}

TEST_CASE("Packets of a tunnel within a tunnel pass at any rate as long as "
          "their own tunnel leaves the host, which is asked ten times a "
          "second") {
  guarded one;
  CHECK(one.passed(1'000'000, 10s) == 1'000'000'000);
  CHECK(one.probes <= 101);
  CHECK(one.probes >= 90);
}

TEST_CASE("What goes around between tunnels is bounded: 64 KiB, and then "
          "16 KiB a second") {
  guarded one;
  one.in_tunnel = true;
  CHECK(one.passed(100'000, 1s) <= (64 + 17) * 1024);
  CHECK(one.passed(1'000'000, 100s) <= 100 * 16 * 1024 + 1000);
  CHECK(one.passed(1'000'000, 100s) > 90 * 16 * 1024);
  // The budget does not add up while nothing goes around.
  one.now += 24h;
  CHECK(one.passed(10'000, 1s) <= (64 + 17) * 1024);
  // Once the way leads out of the host again all pass, at once.
  one.in_tunnel = false;
  one.now += 100ms;
  CHECK(one.passed(10'000, 1s) == 10'000'000);
  one.in_tunnel = true;
  one.now += 100ms;
  CHECK(one.passed(10'000, 1s) <= 18 * 1024);
}

TEST_CASE("Three tunnels within each other pass as fast as the peer answers") {
  guarded one;
  one.in_tunnel = true;
  std::size_t passed = 0;
  for (int i = 0; i < 1000; ++i) { // 64 packets an answer, 64,000 a second
    passed += one.passed(64, 1ms);
    one.guard.answered();
  }
  CHECK(passed == 64'000'000);
  CHECK(one.passed(10'000, 1s) <= (512 + 17) * 1024);
}

TEST_CASE("A guard whose clock goes backwards goes on") {
  guarded one;
  one.in_tunnel = true;
  one.passed(1000, 1s);
  one.now -= 30min;
  CHECK(one.passed(1000, 1s) <= 17 * 1024);
  CHECK(one.passed(1000, 10s) > 100 * 1024);
}

TEST_CASE("Without a probe nothing is bounded") {
  loop_guard no_probe(nullptr);
  const loop_guard::probe none;
  loop_guard empty(&none);
  const network_path path{address_of(1), std::nullopt};
  for (int i = 0; i < 1000; ++i) {
    CHECK(no_probe.pass(1000, path, time_point(1h)));
    CHECK(empty.pass(1000, path, time_point(1h)));
  }
}

TEST_CASE("A session whose datagrams go into a tunnel drops what goes around "
          "through another one, and nothing else") {
  network net;
  net.add_host();
  net.add_host();
  auto& self = net[0];
  bool in_tunnel = false;
  const loop_guard::probe probe
    = [&](const network_path&, time_point) { return in_tunnel; };
  peer_session session(self.self(), net[1].key(), self.indices(), 0, 0,
                       self.random(), nullptr, &probe);
  session.set_endpoint(net[1].address);
  auto& other = net[1].add_peer(self);
  // A handshake by hand.
  bytes memory(1 << 16);
  const auto at = net.at(0);
  const network_path path{net[1].address, std::nullopt};
  session.initiate_handshake(at);
  datagram_buffer out(memory);
  session.poll_transmit(out, at);
  const auto claim = noise_claim::open(
    *net[1].self(), const_byte_span(out[0]).first<wire::initiation_size>());
  REQUIRE(claim);
  other.receive(*claim, path, at);
  out.clear();
  other.poll_transmit(out, at);
  give(session, out[0], path, at);
  out.clear();
  session.poll_transmit(out, at);

  const auto sealed = [&](const bytes& packet, std::size_t count) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      datagram_buffer batch(memory);
      auto room = batch.add(packet.size(), padded_length(packet.size(), 1420));
      std::copy(packet.begin(), packet.end(), room.begin());
      REQUIRE(session.send(batch, at) == peer_session::send_status::sealed);
      sum += batch.size();
    }
    return sum;
  };
  const auto nested = as_packet(message_for(12345, 4000), true);
  CHECK(sealed(nested, 1000) == 1000);
  CHECK(session.drops()[drop_reason::routing_loop] == 0);
  in_tunnel = true;
  const auto later = instant{at.now + 100ms, at.wall};
  datagram_buffer batch(memory);
  auto room = batch.add(nested.size(), nested.size());
  std::copy(nested.begin(), nested.end(), room.begin());
  REQUIRE(session.send(batch, later) == peer_session::send_status::sealed);
  CHECK(batch.empty());
  CHECK(session.drops()[drop_reason::routing_loop] == 1);
  CHECK(sealed(make_packet(1, 1000), 1000) == 1000);
}

TEST_CASE("However many peers there are, the way is asked for twenty times a "
          "second") {
  unsigned probes = 0;
  const auto probe = loop_guard::limited([&](const network_path&) {
    ++probes;
    return std::optional(false);
  });
  std::vector<loop_guard> peers(100, loop_guard(&probe));
  const network_path path{address_of(1), std::nullopt};
  time_point now{1h};
  for (int round = 0; round < 1000; ++round, now += 10ms) {
    for (auto& one : peers)
      one.pass(100'000, path, now);
  }
  CHECK(probes <= 10 * 20 + 20);
  CHECK(probes >= 10 * 20 - 1);
}

TEST_CASE("Without an answer the last one stands, and before the first one "
          "packets are bounded") {
  std::optional<bool> answer;
  const loop_guard::probe probe
    = [&](const network_path&, time_point) { return answer; };
  loop_guard guard(&probe);
  const network_path path{address_of(1), std::nullopt};
  time_point now{1h};
  CHECK_FALSE(guard.pass(100'000, path, now));
  for (const bool known : {false, true, false}) {
    answer = known;
    now += 100ms;
    CHECK(guard.pass(100'000, path, now) == !known);
    answer.reset();
    now += 10s;
    CHECK(guard.pass(100'000, path, now) == !known);
  }
}

TEST_CASE_METHOD(pair_network, "Packets that waited for the session are looked "
                               "at for loops as well") {
  const auto index = (*this)[b].indices().encode(
    0, peer_session_access::next_generation(session(b)));
  send(a, 0, {as_packet(message_for(index), true)});
  send_packet(a);
  send(a, 0, {as_packet(message_for(index), true)});
  CHECK(peer_session_access::staged(session(a)) == 3);
  run_for(1s);
  CHECK(received(b) == std::vector<std::uint64_t>{1});
  CHECK(peer_session_access::staged(session(a)) == 0);
  CHECK(session(a).drops()[drop_reason::routing_loop] == 2);
}

TEST_CASE_METHOD(pair_network, "A session whose waiting packets were all part "
                               "of a loop is confirmed all the same") {
  const auto index = (*this)[b].indices().encode(
    0, peer_session_access::next_generation(session(b)));
  send(a, 0, {as_packet(message_for(index), true)});
  run_for(1s);
  CHECK(session(a).drops()[drop_reason::routing_loop] == 1);
  CHECK(session(b).session_created());
}
