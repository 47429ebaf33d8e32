#include "protocol/packets/coalescer.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/inner_packets.hpp"

#include <map>

using namespace weft;
using namespace weft::test;

namespace {

struct written {
  offload_header header;
  bytes packet;
  std::size_t fragments = 0;
};

bool is_empty(const offload_header& header) {
  return header.flags == 0 && header.gso_type == 0 && header.header_length == 0
         && header.gso_size == 0 && header.checksum_start == 0
         && header.checksum_offset == 0;
}

std::vector<written> coalesce(coalescer& joiner, std::vector<bytes> packets) {
  for (auto& packet : packets)
    joiner.add(packet);
  std::vector<written> result;
  joiner.flush([&](const super_packet& super) {
    written out{super.header, {}, super.fragments.size()};
    for (const auto& fragment : super.fragments)
      out.packet.insert(out.packet.end(), fragment.begin(), fragment.end());
    result.push_back(out);
  });
  return result;
}

std::vector<written>
coalesce(const std::vector<bytes>& packets, coalescer::offloads enabled = {}) {
  coalescer joiner{enabled};
  return coalesce(joiner, packets);
}

/// How many packets went into each write.
std::vector<std::size_t> shape(const std::vector<written>& writes) {
  std::vector<std::size_t> result;
  result.reserve(writes.size());
  for (const auto& write : writes)
    result.push_back(write.fragments);
  return result;
}

using sizes = std::vector<std::size_t>;

/// What the kernel makes of the writes again.
std::vector<bytes> resegment(std::vector<written> writes) {
  std::vector<bytes> result;
  bytes memory(100000);
  for (auto& write : writes) {
    auto made = segmenter::create(write.header, write.packet);
    REQUIRE(made);
    bool done = false;
    while (!done) {
      datagram_buffer buffer{memory};
      done = made->split_into(buffer, 1); // no padding
      for (std::size_t i = 0; i < buffer.size(); ++i) {
        const auto datagram = buffer[i];
        result.emplace_back(datagram.begin() + 16, datagram.end() - 16);
      }
    }
  }
  return result;
}

/// `count` packets of one flow, each of `payload` bytes.
std::vector<inner_packet>
flow_of(random_source& random, bool v4, bool tcp, std::size_t count,
        std::size_t payload = 100) {
  inner_packet whole;
  whole.v4 = v4;
  whole.tcp = tcp;
  whole.payload = random_bytes(random, count * payload);
  if (tcp)
    whole.tcp_options = random_bytes(random, 12);
  return slow_segments(whole, payload);
}

/// The shape of four packets of a flow of which `change` alters the third.
template <class Change>
sizes shape_with(Change change, bool v4 = true, bool tcp = true) {
  deterministic_random random{31};
  auto packets = flow_of(random, v4, tcp, 4);
  change(packets[2]);
  auto built = build_all(packets);
  const auto writes = coalesce(built);
  // Nothing is lost or changed.
  auto again = resegment(writes);
  std::sort(again.begin(), again.end());
  std::sort(built.begin(), built.end());
  REQUIRE(again == built);
  return shape(writes);
}

} // namespace

TEST_CASE("segments of one flow become one super-packet with a header that a "
          "kernel can split by") {
  deterministic_random random{32};
  for (const bool v4 : {true, false}) {
    for (const bool tcp : {true, false}) {
      auto packets = flow_of(random, v4, tcp, 5, 1000);
      packets.back().payload.resize(321);
      auto whole = packets[0];
      for (std::size_t i = 1; i < packets.size(); ++i)
        put(whole.payload, packets[i].payload);
      const auto writes = coalesce(build_all(packets));
      REQUIRE(shape(writes) == sizes{5});
      const auto expected = offload_of(whole, 1000);
      const auto& header = writes[0].header;
      CHECK(header.flags == expected.flags);
      CHECK(header.gso_type == expected.gso_type);
      CHECK(header.gso_size == 1000);
      CHECK(header.header_length == expected.header_length);
      CHECK(header.checksum_start == expected.checksum_start);
      CHECK(header.checksum_offset == expected.checksum_offset);
      CHECK(writes[0].packet == build_partial(whole));
    }
  }
}

TEST_CASE("payloads are not copied") {
  deterministic_random random{33};
  auto packets = build_all(flow_of(random, true, true, 3));
  coalescer joiner{{}};
  for (auto& packet : packets)
    joiner.add(packet);
  joiner.flush([&](const super_packet& super) {
    REQUIRE(super.fragments.size() == 3);
    CHECK(super.fragments[0].data() == packets[0].data());
    CHECK(super.fragments[0].size() == packets[0].size());
    for (std::size_t i = 1; i < 3; ++i) {
      CHECK(super.fragments[i].data() == packets[i].data() + 52);
      CHECK(super.fragments[i].size() == 100);
    }
  });
}

TEST_CASE("what is split, joined and split again stays the same") {
  deterministic_random random{34};
  for (int round = 0; round < 150; ++round) {
    inner_packet whole;
    whole.v4 = random.below(2) == 0;
    whole.tcp = random.below(2) == 0;
    whole.flags = static_cast<std::uint8_t>(
      ack | (random.next_u32() & (fin | psh | cwr | ece)));
    whole.sequence = random.next_u32();
    whole.identification = static_cast<std::uint16_t>(random.next_u32());
    whole.dont_fragment = random.below(2) == 0;
    whole.payload = random_bytes(random, 1 + random.below(65000));
    whole.tcp_options = random_bytes(random, 4 * random.below(11));
    const auto gso_size = 1100 + random.below(8000);
    const auto packets = build_all(slow_segments(whole, gso_size));
    const auto writes = coalesce(packets);
    CAPTURE(round, whole.v4, whole.tcp, gso_size, whole.payload.size());
    // At most 60 segments, which UDP allows too.
    REQUIRE(shape(writes) == sizes{packets.size()});
    REQUIRE(resegment(writes) == packets);
  }
}

TEST_CASE("a packet that stays alone is written unchanged and without "
          "offload") {
  deterministic_random random{35};
  for (const bool tcp : {true, false}) {
    const auto packet = build(flow_of(random, true, tcp, 1)[0]);
    const auto writes = coalesce({packet});
    REQUIRE(writes.size() == 1);
    CHECK(is_empty(writes[0].header));
    CHECK(writes[0].packet == packet);
  }
}

TEST_CASE("a shorter packet, PSH and FIN each end a super-packet") {
  CHECK(shape_with([](inner_packet&) {}) == sizes{4});
  CHECK(shape_with([](inner_packet& packet) { packet.flags |= psh; })
        == sizes{3, 1});
  CHECK(shape_with([](inner_packet& packet) { packet.flags |= fin; })
        == sizes{3, 1});
  for (const bool tcp : {true, false}) {
    CHECK(shape_with([](inner_packet& packet) { packet.payload.resize(99); },
                     true, tcp)
          == sizes{3, 1});
    CHECK(shape_with([](inner_packet& packet) { packet.payload.resize(101); },
                     true, tcp)
          == (tcp ? sizes{2, 1, 1} : sizes{2, 2}));
  }
  deterministic_random random{36};
  auto packets = flow_of(random, true, true, 3);
  packets[0].flags |= psh;
  CHECK(shape(coalesce(build_all(packets))) == sizes{1, 2});
}

TEST_CASE("TCP segments that differ in more than their place in the stream "
          "are not joined") {
  using packet = inner_packet;
  const sizes apart{2, 1, 1};
  CHECK(shape_with([](packet& p) { ++p.sequence; }) == apart);
  CHECK(shape_with([](packet& p) { p.sequence -= 100; }) == apart);
  CHECK(shape_with([](packet& p) { ++p.acknowledgement; }) == apart);
  CHECK(shape_with([](packet& p) { ++p.window; }) == apart);
  CHECK(shape_with([](packet& p) { p.tcp_options[11] ^= std::byte{1}; })
        == apart);
  CHECK(shape_with([](packet& p) { p.tcp_options.resize(8); }) == apart);
  for (const unsigned flag : {syn, rst, urg, ece})
    CHECK(shape_with([&](packet& p) {
            p.flags = static_cast<std::uint8_t>(p.flags | flag);
          })
          == apart);
  CHECK(shape_with([](packet& p) { p.flags = 0; }) == apart);
  CHECK(shape_with([](packet& p) { p.payload.clear(); }) == apart);
}

TEST_CASE("packets whose IP headers differ are not joined") {
  using packet = inner_packet;
  for (const bool v4 : {true, false}) {
    for (const bool tcp : {true, false}) {
      const auto changed
        = [&](auto change) { return shape_with(change, v4, tcp); };
      CAPTURE(v4, tcp);
      CHECK(changed([](packet& p) { --p.hop_limit; }) == sizes{2, 1, 1});
      CHECK(changed([](packet& p) { p.traffic_class = 3; }) == sizes{2, 1, 1});
    }
  }
  CHECK(shape_with([](packet& p) { p.dont_fragment = false; })
        == sizes{2, 1, 1});
}

TEST_CASE("a packet of another flow neither joins a flow nor interrupts it") {
  using packet = inner_packet;
  // The fourth packet goes on with the first two where neither a sequence
  // number nor an identification is missed: UDP over IPv6.
  for (const bool v4 : {true, false}) {
    for (const bool tcp : {true, false}) {
      const auto changed
        = [&](auto change) { return shape_with(change, v4, tcp); };
      const auto expected = v4 || tcp ? sizes{2, 1, 1} : sizes{3, 1};
      CAPTURE(v4, tcp);
      CHECK(changed([](packet& p) { p.source_host = 9; }) == expected);
      CHECK(changed([](packet& p) { p.destination_host = 9; }) == expected);
      CHECK(changed([](packet& p) { p.source_port = 9; }) == expected);
      CHECK(changed([](packet& p) { p.destination_port = 9; }) == expected);
    }
  }
}

TEST_CASE("IPv4 identifications must count up, or stay the same where "
          "fragmentation is forbidden") {
  deterministic_random random{37};
  const auto with_ids
    = [&](bool dont_fragment, const std::vector<unsigned>& ids) {
        auto packets = flow_of(random, true, true, ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) {
          packets[i].identification = static_cast<std::uint16_t>(ids[i]);
          packets[i].dont_fragment = dont_fragment;
        }
        return shape(coalesce(build_all(packets)));
      };
  CHECK(with_ids(true, {5, 6, 7, 8}) == sizes{4});
  CHECK(with_ids(false, {5, 6, 7, 8}) == sizes{4});
  CHECK(with_ids(false, {65535, 0, 1}) == sizes{3});
  CHECK(with_ids(false, {0x1ff, 0x200, 0x201}) == sizes{3});
  CHECK(with_ids(true, {0, 0, 0, 0}) == sizes{4});
  CHECK(with_ids(false, {0, 0, 0}) == sizes{1, 1, 1});
  CHECK(with_ids(true, {0, 0, 1}) == sizes{2, 1});
  CHECK(with_ids(true, {4, 5, 5}) == sizes{2, 1});
  CHECK(with_ids(true, {4, 6, 7}) == sizes{1, 2});
  CHECK(with_ids(false, {4, 3, 2}) == sizes{1, 1, 1});
}

TEST_CASE("a packet with a wrong checksum passes alone and unchanged, "
          "wherever it stands") {
  deterministic_random random{38};
  for (const bool v4 : {true, false}) {
    for (const bool tcp : {true, false}) {
      for (std::size_t bad = 0; bad < 4; ++bad) {
        auto packets = build_all(flow_of(random, v4, tcp, 4));
        packets[bad].back() ^= std::byte{0x10};
        const auto writes = coalesce(packets);
        CAPTURE(v4, tcp, bad);
        const std::vector<sizes> expected{{1, 3}, {1, 1, 2}, {2, 1, 1}, {3, 1}};
        CHECK(shape(writes) == expected[bad]);
        CHECK(resegment(writes) == packets);
      }
    }
  }
}

TEST_CASE("a wrong IPv4 header checksum is left for the host to see") {
  deterministic_random random{39};
  auto packets = build_all(flow_of(random, true, true, 3));
  packets[1][10] ^= std::byte{1};
  const auto writes = coalesce(packets);
  CHECK(shape(writes) == sizes{1, 1, 1});
  CHECK(resegment(writes) == packets);
}

TEST_CASE("UDP without a checksum, with another length than IP says, or "
          "without payload is not joined") {
  deterministic_random random{40};
  auto good = build_all(flow_of(random, true, false, 3));
  auto packets = good;
  store_be<std::uint16_t>(&packets[1][26], 0);
  CHECK(shape(coalesce(packets)) == sizes{1, 1, 1});
  packets = good;
  store_be<std::uint16_t>(&packets[1][24], 90);
  CHECK(shape(coalesce(packets)) == sizes{1, 1, 1});
  const auto empty = build_all(flow_of(random, true, false, 1, 0));
  CHECK(shape(coalesce({empty[0], empty[0]})) == sizes{1, 1});
}

TEST_CASE("CWR begins a super-packet that is marked for ECN, and enters no "
          "other") {
  deterministic_random random{41};
  auto packets = flow_of(random, true, true, 4);
  packets[0].flags |= cwr;
  packets[2].flags |= cwr;
  const auto built = build_all(packets);
  const auto writes = coalesce(built);
  CHECK(shape(writes) == sizes{2, 2});
  for (const auto& write : writes)
    CHECK(write.header.gso_type
          == (offload_header::gso_tcp4 | offload_header::gso_ecn));
  CHECK(resegment(writes) == built);
}

TEST_CASE("interleaved flows are joined each for itself") {
  deterministic_random random{42};
  std::vector<std::vector<inner_packet>> flows;
  for (std::uint16_t i = 0; i < 8; ++i) {
    auto flow = flow_of(random, i % 2 == 0, i % 3 != 0, 6);
    for (auto& packet : flow)
      packet.source_port = static_cast<std::uint16_t>(1000 + i);
    flows.push_back(flow);
  }
  std::vector<inner_packet> mixed;
  for (std::size_t i = 0; i < 6; ++i) {
    for (const auto& flow : flows)
      mixed.push_back(flow[i]);
  }
  const auto writes = coalesce(build_all(mixed));
  CHECK(shape(writes) == sizes(8, 6));
}

TEST_CASE("more flows at a time than can be open lose nothing but joins") {
  deterministic_random random{43};
  std::vector<inner_packet> mixed;
  std::vector<std::vector<inner_packet>> flows;
  for (std::uint16_t i = 0; i < 40; ++i) {
    flows.push_back(flow_of(random, true, true, 3));
    for (auto& packet : flows.back())
      packet.source_port = static_cast<std::uint16_t>(1000 + i);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& flow : flows)
      mixed.push_back(flow[i]);
  }
  const auto built = build_all(mixed);
  CHECK(resegment(coalesce(built)) == built);
}

TEST_CASE("packets of one flow never overtake each other") {
  deterministic_random random{44};
  std::size_t joined = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<inner_packet> flows(4);
    std::map<std::uint16_t, std::vector<bytes>> before;
    std::map<std::uint16_t, std::vector<bytes>> after;
    std::vector<bytes> packets;
    for (int i = 0; i < 60; ++i) {
      const auto chosen = random.below(4);
      auto& flow = flows[chosen];
      flow.v4 = chosen != 1;
      flow.tcp = chosen < 3;
      flow.source_port = static_cast<std::uint16_t>(500 + chosen);
      flow.payload
        = random_bytes(random, random.below(8) == 0 ? random.below(120) : 120);
      // Something that cannot be joined, now and then.
      flow.flags = ack;
      if (random.below(8) == 0)
        flow.flags = random.below(2) == 0 ? ack | psh : ack | syn;
      flow.hop_limit = random.below(8) == 0 ? 5 : 64;
      packets.push_back(build(flow));
      if (random.below(8) == 0)
        packets.back().back() ^= std::byte{1};
      before[flow.source_port].push_back(packets.back());
      ++flow.identification;
      flow.sequence += static_cast<std::uint32_t>(flow.payload.size());
    }
    const auto writes = coalesce(packets);
    joined += packets.size() - writes.size();
    for (const auto& packet : resegment(writes)) {
      const std::size_t transport = packet.at(0) == std::byte{0x45} ? 20 : 40;
      after[load_be<std::uint16_t>(&packet[transport])].push_back(packet);
    }
    REQUIRE(before == after);
  }
  CHECK(joined > 300 * 60 / 4);
}

TEST_CASE("a fragment or any packet without ports goes before what follows "
          "between its hosts") {
  deterministic_random random{45};
  for (const bool v4 : {true, false}) {
    auto packets = build_all(flow_of(random, v4, true, 4));
    auto portless = packets[0];
    if (v4) {
      store_be<std::uint16_t>(&portless[6], 0x2000);
      store_be<std::uint16_t>(&portless[10], 0);
      const bytes header(portless.begin(), portless.begin() + 20);
      store_be(&portless[10], naive_checksum(header));
    } else {
      portless[6] = std::byte{44};
    }
    packets.insert(packets.begin() + 2, portless);
    CHECK(shape(coalesce(packets)) == sizes{2, 1, 2});
    // Between other hosts it is none of the flow's business.
    portless[v4 ? 15 : 23] = std::byte{200};
    packets[2] = portless;
    CHECK(shape(coalesce(packets)) == sizes{4, 1});
  }
}

TEST_CASE("IPv4 options, extension headers and other protocols pass alone") {
  deterministic_random random{46};
  auto options = flow_of(random, true, true, 2);
  for (auto& packet : options)
    packet.ip_options = bytes(4, std::byte{1});
  CHECK(shape(coalesce(build_all(options))) == sizes{1, 1});
  auto extended = flow_of(random, false, true, 2);
  for (auto& packet : extended) {
    packet.first_extension = 60;
    packet.extensions = bytes(8, std::byte{0});
    packet.extensions[0] = std::byte{6};
  }
  CHECK(shape(coalesce(build_all(extended))) == sizes{1, 1});
  auto other = build_all(flow_of(random, false, true, 2));
  for (auto& packet : other)
    packet[6] = std::byte{58};
  CHECK(shape(coalesce(other)) == sizes{1, 1});
}

TEST_CASE("a super-packet never exceeds 65535 bytes") {
  deterministic_random random{47};
  for (const bool v4 : {true, false}) {
    const auto packets = build_all(flow_of(random, v4, true, 20, 8000));
    const auto writes = coalesce(packets);
    CHECK(shape(writes) == sizes{8, 8, 4});
    for (const auto& write : writes)
      CHECK(write.packet.size() <= 65535);
    CHECK(resegment(writes) == packets);
  }
}

TEST_CASE("a super-packet has no more fragments than configured, and 64 for "
          "UDP") {
  deterministic_random random{48};
  const auto tcp = build_all(flow_of(random, true, true, 150, 10));
  CHECK(shape(coalesce(tcp)) == sizes{128, 22});
  CHECK(shape(coalesce(tcp, {true, true, 100})) == sizes{100, 50});
  CHECK(shape(coalesce(tcp, {true, true, 1})) == sizes(150, 1));
  const auto udp = build_all(flow_of(random, true, false, 150, 10));
  CHECK(shape(coalesce(udp)) == sizes{64, 64, 22});
}

TEST_CASE("a protocol whose offload is off is not joined") {
  deterministic_random random{49};
  const auto tcp = build_all(flow_of(random, true, true, 3));
  const auto udp = build_all(flow_of(random, true, false, 3));
  CHECK(shape(coalesce(tcp, {false, true, 128})) == sizes{1, 1, 1});
  CHECK(shape(coalesce(tcp, {true, false, 128})) == sizes{3});
  CHECK(shape(coalesce(udp, {true, false, 128})) == sizes{1, 1, 1});
  CHECK(shape(coalesce(udp, {false, true, 128})) == sizes{3});
}

TEST_CASE("flush() forgets what it gave out") {
  deterministic_random random{50};
  const auto packets = build_all(flow_of(random, true, true, 4));
  coalescer joiner{{}};
  CHECK(shape(coalesce(joiner, {packets[0], packets[1]})) == sizes{2});
  CHECK(shape(coalesce(joiner, {})).empty());
  CHECK(shape(coalesce(joiner, {packets[2], packets[3]})) == sizes{2});
}

TEST_CASE("any bytes are taken, and come out again unless they were joined") {
  deterministic_random random{51};
  for (int round = 0; round < 4000; ++round) {
    const bool v4 = random.below(2) == 0;
    auto packets = build_all(flow_of(random, v4, random.below(2) == 0, 6, 20));
    for (auto& packet : packets) {
      for (auto damage = random.below(3); damage > 0; --damage)
        packet[random.below(packet.size())]
          = static_cast<std::byte>(random.next_u32());
      if (random.below(4) == 0)
        packet.resize(random.below(packet.size() + 1));
    }
    // Memory of exactly each size, so that a sanitizer sees one byte too many.
    coalescer joiner{{}};
    std::vector<bytes> exact;
    exact.reserve(packets.size());
    std::size_t given = 0;
    for (const auto& packet : packets) {
      exact.emplace_back(packet.begin(), packet.end());
      joiner.add(exact.back());
      given += packet.empty() ? 0u : 1u;
    }
    std::size_t taken = 0;
    joiner.flush([&](const super_packet& super) {
      taken += super.fragments.size();
      if (super.fragments.size() == 1)
        CHECK(is_empty(super.header));
    });
    REQUIRE(taken == given);
  }
}
