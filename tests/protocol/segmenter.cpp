#include "protocol/packets/offload.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/inner_packets.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::size_t mtu = 1420;

struct split_result {
  std::vector<bytes> packets; ///< without padding
  std::size_t rounds = 0;     ///< buffers that were filled
};

/// Runs the segmenter over buffers of `capacity` bytes until it is done.
/// Checks what holds for every datagram.
split_result split(segmenter& from, std::size_t capacity = 1 << 20) {
  split_result result;
  bytes memory(capacity, std::byte{0xee});
  datagram_buffer buffer{memory};
  for (bool done = false; !done;) {
    buffer.clear();
    done = from.split_into(buffer, mtu);
    ++result.rounds;
    REQUIRE((done || !buffer.empty()));
    std::size_t position = 0;
    for (const auto& where : buffer.slices()) {
      REQUIRE(where.offset == position);
      position += where.length;
      bytes padded(memory.begin() + where.offset + 16,
                   memory.begin() + where.offset + where.length - 16);
      const bool v4 = (padded.at(0) >> 4) == std::byte{4};
      const auto length
        = v4 ? load_be<std::uint16_t>(&padded[2])
             : std::size_t{40} + load_be<std::uint16_t>(&padded[4]);
      REQUIRE(padded.size() == padded_length(length, mtu));
      REQUIRE(std::all_of(padded.begin() + static_cast<long>(length),
                          padded.end(),
                          [](std::byte pad) { return pad == std::byte{0}; }));
      padded.resize(length);
      result.packets.push_back(padded);
    }
    REQUIRE(position == buffer.used());
  }
  return result;
}

std::vector<bytes>
split_packet(const inner_packet& packet, std::size_t gso_size) {
  auto raw = build_partial(packet);
  auto made = segmenter::create(offload_of(packet, gso_size), raw);
  REQUIRE(made);
  return split(*made).packets;
}

inner_packet
super_packet_of(random_source& random, bool v4, bool tcp, std::size_t payload) {
  inner_packet packet;
  packet.v4 = v4;
  packet.tcp = tcp;
  packet.payload = random_bytes(random, payload);
  if (tcp)
    packet.tcp_options = random_bytes(random, 12);
  return packet;
}

bool accepts(offload_header header, bytes packet) {
  return segmenter::create(header, packet).has_value();
}

} // namespace

TEST_CASE("the fast checksum agrees with the slow one at any length, content "
          "and alignment") {
  deterministic_random random{11};
  for (std::size_t length = 0; length < 700; ++length) {
    const auto shift = random.below(33);
    auto memory = random_bytes(random, length + shift);
    if (length % 3 == 0)
      std::fill(memory.begin(), memory.end(), std::byte{0xff});
    const const_byte_span data{memory.data() + shift, length};
    const bytes copy(data.begin(), data.end());
    const auto expected = static_cast<std::uint16_t>(~naive_checksum(copy));
    REQUIRE(checksum_fold(checksum_add(data, 0)) == expected);
    bytes target(length + 2, std::byte{0x5a});
    REQUIRE(checksum_fold(checksum_copy(target.data() + 1, data, 0))
            == expected);
    REQUIRE(std::equal(data.begin(), data.end(), target.begin() + 1));
    REQUIRE(target.front() == std::byte{0x5a});
    REQUIRE(target.back() == std::byte{0x5a});
  }
}

TEST_CASE("checksums of pieces add up, and numbers may be added to them") {
  deterministic_random random{12};
  const auto data = random_bytes(random, 3001);
  const const_byte_span all{data};
  const auto sum
    = checksum_add(all.subspan(1000), checksum_add(all.first(1000), 0));
  CHECK(checksum_fold(sum) == checksum_fold(checksum_add(all, 0)));
  bytes longer{std::byte{0x12}, std::byte{0x34}};
  put(longer, data);
  CHECK(checksum_fold(checksum_add(all, 0x1234))
        == checksum_fold(checksum_add(longer, 0)));
  CHECK(checksum_fold(~std::uint64_t{0}) == 0xffff);
  CHECK(checksum_fold(0x0001ffff0001ffff) == 2);
}

TEST_CASE("a super-packet is split into what a host would have sent itself") {
  deterministic_random random{13};
  for (int round = 0; round < 200; ++round) {
    const bool v4 = random.below(2) == 0;
    const bool tcp = random.below(2) == 0;
    auto packet = super_packet_of(random, v4, tcp, 1 + random.below(64000));
    packet.flags = static_cast<std::uint8_t>(
      ack | (random.next_u32() & (fin | psh | cwr | ece)));
    packet.sequence = random.next_u32();
    packet.identification = static_cast<std::uint16_t>(random.next_u32());
    packet.dont_fragment = random.below(2) == 0;
    packet.traffic_class = static_cast<std::uint8_t>(random.next_u32());
    packet.tcp_options.resize(tcp ? 4 * random.below(11) : 0);
    if (v4)
      packet.ip_options = bytes(4 * random.below(3), std::byte{1});
    const std::size_t gso_size = 1 + random.below(9000);
    if (packet.payload.size() / gso_size > 2000)
      continue;
    CAPTURE(round, v4, tcp, gso_size, packet.payload.size());
    REQUIRE(split_packet(packet, gso_size)
            == build_all(slow_segments(packet, gso_size)));
  }
}

TEST_CASE("FIN and PSH go with the last segment only, CWR with the first") {
  deterministic_random random{14};
  auto packet = super_packet_of(random, true, true, 3000);
  packet.flags = ack | fin | psh | cwr | ece;
  auto header = offload_of(packet, 1000);
  header.gso_type |= offload_header::gso_ecn;
  auto raw = build_partial(packet);
  auto made = segmenter::create(header, raw);
  REQUIRE(made);
  const auto out = split(*made).packets;
  REQUIRE(out.size() == 3);
  CHECK(out[0][33] == std::byte{ack | cwr | ece});
  CHECK(out[1][33] == std::byte{ack | ece});
  CHECK(out[2][33] == std::byte{ack | fin | psh | ece});
}

TEST_CASE("sequence numbers and identifications wrap around") {
  deterministic_random random{15};
  auto packet = super_packet_of(random, true, true, 4000);
  packet.sequence = 0xffffffff - 1500;
  packet.identification = 0xfffe;
  const auto out = split_packet(packet, 1000);
  REQUIRE(out == build_all(slow_segments(packet, 1000)));
  CHECK(load_be<std::uint16_t>(&out[2][4]) == 0);
  CHECK(load_be<std::uint32_t>(&out[2][24]) == 499);
}

TEST_CASE("a payload that fits one segment leaves as one") {
  deterministic_random random{16};
  for (const std::size_t payload : {0u, 1u, 999u, 1000u}) {
    for (const bool tcp : {true, false}) {
      const auto packet = super_packet_of(random, false, tcp, payload);
      const auto out = split_packet(packet, 1000);
      CHECK(out == std::vector<bytes>{build(packet)});
    }
  }
}

TEST_CASE("extension headers stay in front of the transport header of each "
          "segment") {
  deterministic_random random{17};
  for (const bool tcp : {true, false}) {
    auto packet = super_packet_of(random, false, tcp, 5000);
    // Hop-by-hop options (8 bytes), then destination options (16 bytes).
    packet.first_extension = 0;
    packet.extensions = bytes(24, std::byte{0});
    packet.extensions[0] = std::byte{60};
    packet.extensions[8] = std::byte{packet.protocol()};
    packet.extensions[9] = std::byte{1};
    CHECK(split_packet(packet, 1200) == build_all(slow_segments(packet, 1200)));
    auto header = offload_of(packet, 1200);
    header.checksum_start = 40;
    CHECK_FALSE(accepts(header, build_partial(packet)));
  }
}

TEST_CASE("behind a routing header the checksum counts the destination that "
          "the kernel summed") {
  deterministic_random random{18};
  auto packet = super_packet_of(random, false, true, 2500);
  packet.first_extension = 43;
  packet.extensions = bytes(24, std::byte{0});
  packet.extensions[0] = std::byte{6};
  packet.extensions[1] = std::byte{2}; // 24 bytes
  packet.extensions[3] = std::byte{1}; // one segment left
  packet.extensions[23] = std::byte{9};
  // The kernel sums towards host 9 while the header says host 2.
  auto final_view = packet;
  final_view.destination_host = 9;
  auto raw = build_partial(final_view);
  raw[39] = std::byte{2};
  auto made = segmenter::create(offload_of(packet, 1000), raw);
  REQUIRE(made);
  auto expected = build_all(slow_segments(final_view, 1000));
  for (auto& segment : expected)
    segment[39] = std::byte{2};
  CHECK(split(*made).packets == expected);

  auto header = offload_of(packet, 1000);
  header.flags = 0;
  CHECK_FALSE(accepts(header, raw));
}

TEST_CASE("as long as an IPv4 source route goes on, the checksum counts the "
          "destination that the kernel summed") {
  deterministic_random random{27};
  for (const auto type : {std::byte{131}, std::byte{137}}) {
    for (const bool ended : {false, true}) {
      auto packet = super_packet_of(random, true, true, 2500);
      // no operation; a route of one address, 10.0.0.9
      packet.ip_options
        = {std::byte{1},  type,         std::byte{7}, std::byte{4},
           std::byte{10}, std::byte{0}, std::byte{0}, std::byte{9}};
      if (ended)
        packet.ip_options[3] = std::byte{8};
      // The kernel sums towards host 9 while the header says host 2.
      auto final_view = packet;
      final_view.destination_host = ended ? 2 : 9;
      const auto towards_next_hop = [](bytes& raw) {
        raw[19] = std::byte{2};
        bytes header(raw.begin(), raw.begin() + 28);
        header[10] = header[11] = std::byte{0};
        store_be(&raw[10], naive_checksum(header));
      };
      auto raw = build_partial(final_view);
      towards_next_hop(raw);
      auto made = segmenter::create(offload_of(packet, 1000), raw);
      REQUIRE(made);
      auto expected = build_all(slow_segments(final_view, 1000));
      for (auto& segment : expected)
        towards_next_hop(segment);
      CHECK(split(*made).packets == expected);
    }
  }
}

TEST_CASE("IPv4 options that are cut off or empty are no source route") {
  deterministic_random random{28};
  for (const auto* options :
       {"01010183", "00830704", "07000000", "8302ff00", "8307080a"}) {
    auto packet = super_packet_of(random, true, true, 2500);
    packet.ip_options = unhex(options);
    auto header = offload_of(packet, 1000);
    header.flags = 0; // who knows the destination needs no sum of the kernel
    const auto raw = build(packet);
    CHECK(accepts(header, raw));
  }
}

TEST_CASE("a UDP checksum that comes to zero is sent as 0xffff") {
  deterministic_random random{19};
  for (const bool v4 : {true, false}) {
    auto packet = super_packet_of(random, v4, false, 100);
    // A payload word that is the checksum of all the rest brings the sum to
    // zero.
    packet.payload[0] = packet.payload[1] = std::byte{0};
    const auto rest = build(packet);
    const auto field = packet.transport() + 6;
    packet.payload[0] = rest[field];
    packet.payload[1] = rest[field + 1];
    for (const std::size_t gso_size : {0u, 100u}) {
      const auto out = split_packet(packet, gso_size);
      REQUIRE(out.size() == 1);
      CHECK(load_be<std::uint16_t>(&out[0][field]) == 0xffff);
      CHECK(out[0] == build(packet));
    }
  }
}

TEST_CASE("a checksum that the kernel left open is filled in") {
  deterministic_random random{20};
  for (const bool v4 : {true, false}) {
    for (const bool tcp : {true, false}) {
      for (const std::size_t payload : {0u, 1u, 2u, 77u, 1360u}) {
        const auto packet = super_packet_of(random, v4, tcp, payload);
        CHECK(split_packet(packet, 0) == std::vector<bytes>{build(packet)});
      }
    }
  }
}

TEST_CASE("a packet without offload passes as it is") {
  deterministic_random random{21};
  auto raw = build(super_packet_of(random, true, true, 333));
  raw[36] ^= std::byte{1}; // a wrong checksum is none of our business
  const auto before = raw;
  auto made = segmenter::create({}, raw);
  REQUIRE(made);
  CHECK(split(*made).packets == std::vector<bytes>{before});
}

TEST_CASE("splitting goes on where a full buffer interrupted it") {
  deterministic_random random{22};
  for (const bool tcp : {true, false}) {
    const auto packet = super_packet_of(random, true, tcp, 20001);
    const auto expected = build_all(slow_segments(packet, 1000));
    const auto slot = padded_length(expected[0].size(), mtu) + 32;
    for (const std::size_t slots : {1u, 2u, 5u, 20u, 21u, 22u}) {
      auto raw = build_partial(packet);
      auto made = segmenter::create(offload_of(packet, 1000), raw);
      REQUIRE(made);
      const auto result = split(*made, slots * slot + 7);
      CHECK(result.packets == expected);
      const auto rounds = (expected.size() + slots - 1) / slots;
      // The last segment is short and may slip in behind full ones.
      CHECK(result.rounds <= rounds);
      CHECK(result.rounds + 1 >= rounds);
    }
  }
}

TEST_CASE("more segments than a buffer may hold take several buffers") {
  deterministic_random random{23};
  const auto packet = super_packet_of(random, true, true, 65000);
  auto raw = build_partial(packet);
  auto made = segmenter::create(offload_of(packet, 100), raw);
  REQUIRE(made);
  const auto result = split(*made);
  CHECK(result.packets == build_all(slow_segments(packet, 100)));
  CHECK(result.rounds == 6); // 650 segments, 128 each
}

TEST_CASE("segments go behind the datagrams that a buffer holds already") {
  deterministic_random random{24};
  const auto packet = super_packet_of(random, true, true, 2000);
  bytes memory(10000);
  datagram_buffer buffer{memory};
  REQUIRE(buffer.add(10, 16).size() == 10);
  auto raw = build_partial(packet);
  auto made = segmenter::create(offload_of(packet, 1000), raw);
  REQUIRE(made);
  REQUIRE(made->split_into(buffer, mtu));
  REQUIRE(buffer.size() == 3);
  const auto expected = build(slow_segments(packet, 1000)[0]);
  CHECK(buffer.slices()[1].offset == 48);
  CHECK(std::equal(expected.begin(), expected.end(),
                   buffer[1].begin() + transport_header_size));
}

TEST_CASE("a segment that no buffer has room for is dropped, not tried for "
          "ever") {
  deterministic_random random{25};
  const auto packet = super_packet_of(random, true, true, 2000);
  auto raw = build_partial(packet);
  bytes memory(500);
  datagram_buffer buffer{memory};
  auto made = segmenter::create(offload_of(packet, 1000), raw);
  REQUIRE(made);
  CHECK(made->split_into(buffer, mtu));
  CHECK(buffer.empty());
}

TEST_CASE("packets and segments that no datagram can carry are refused") {
  CHECK_FALSE(accepts({}, bytes(65535)));
  CHECK_FALSE(accepts({}, bytes(65489)));
  CHECK(accepts({}, bytes(65488)));
  offload_header partial;
  partial.flags = offload_header::needs_checksum;
  CHECK_FALSE(accepts(partial, bytes(65489)));
  deterministic_random random{26};
  const auto packet = super_packet_of(random, true, true, 65480);
  CHECK_FALSE(accepts(offload_of(packet, 65480), build_partial(packet)));
  CHECK(accepts(offload_of(packet, 60000), build_partial(packet)));
}

TEST_CASE("offload headers that contradict the packet are refused") {
  deterministic_random random{27};
  const auto tcp4 = super_packet_of(random, true, true, 3000);
  const auto tcp6 = super_packet_of(random, false, true, 3000);
  const auto udp4 = super_packet_of(random, true, false, 3000);
  const auto good = offload_of(tcp4, 1000);
  const auto raw = build_partial(tcp4);
  REQUIRE(accepts(good, raw));

  SECTION("no segment size") {
    auto header = good;
    header.gso_size = 0;
    CHECK_FALSE(accepts(header, raw));
  }
  SECTION("another IP version or protocol than the type says") {
    CHECK_FALSE(accepts(offload_of(tcp6, 1000), raw));
    CHECK_FALSE(accepts(good, build_partial(tcp6)));
    CHECK_FALSE(accepts(good, build_partial(udp4)));
    CHECK_FALSE(accepts(offload_of(udp4, 1000), raw));
  }
  SECTION("unknown types") {
    for (const unsigned type : {2u, 3u, 6u, 7u, 0x80u, 0x85u, 0xffu}) {
      auto header = offload_of(udp4, 1000);
      header.gso_type = static_cast<std::uint8_t>(type);
      CHECK_FALSE(accepts(header, build_partial(udp4)));
      CHECK_FALSE(accepts(header, raw));
    }
  }
  SECTION("a checksum start that is not the transport header") {
    auto header = good;
    for (const unsigned start : {0u, 19u, 24u, 60000u}) {
      header.checksum_start = static_cast<std::uint16_t>(start);
      CHECK_FALSE(accepts(header, raw));
    }
  }
  SECTION("a checksum field outside of the packet") {
    auto header = offload_of(tcp4, 0);
    header.checksum_start = static_cast<std::uint16_t>(raw.size() - 17);
    CHECK_FALSE(accepts(header, raw));
    header.checksum_start = static_cast<std::uint16_t>(raw.size() - 18);
    CHECK(accepts(header, raw));
    header.checksum_start = 0xffff;
    header.checksum_offset = 0xffff;
    CHECK_FALSE(accepts(header, raw));
  }
  SECTION("fragments") {
    for (const unsigned fragment : {0x2000u, 0x0001u, 0x1fffu}) {
      auto bad = raw;
      store_be(&bad[6], static_cast<std::uint16_t>(fragment));
      CHECK_FALSE(accepts(good, bad));
    }
  }
  SECTION("lengths that are not there") {
    auto bad = raw;
    bad.pop_back();
    CHECK_FALSE(accepts(good, bad));
    bad = raw;
    bad[32] = std::byte{0x40}; // TCP header of 16 bytes
    CHECK_FALSE(accepts(good, bad));
    bad = raw;
    bad[0] = std::byte{0x44};
    CHECK_FALSE(accepts(good, bad));
  }
  SECTION("a lie about the header length does not matter") {
    auto header = good;
    for (const unsigned length : {0u, 20u, 65535u}) {
      header.header_length = static_cast<std::uint16_t>(length);
      auto copy = raw;
      auto made = segmenter::create(header, copy);
      REQUIRE(made);
      CHECK(split(*made).packets == build_all(slow_segments(tcp4, 1000)));
    }
  }
  SECTION("bytes behind the stated length are not payload") {
    auto longer = raw;
    longer.resize(longer.size() + 9, std::byte{0x77});
    auto made = segmenter::create(good, longer);
    REQUIRE(made);
    CHECK(split(*made).packets == build_all(slow_segments(tcp4, 1000)));
  }
}

TEST_CASE("every truncation of a super-packet is refused") {
  deterministic_random random{28};
  for (const bool v4 : {true, false}) {
    for (const bool tcp : {true, false}) {
      const auto packet = super_packet_of(random, v4, tcp, 40);
      const auto raw = build_partial(packet);
      for (std::size_t size = 0; size < raw.size(); ++size) {
        const auto begin = raw.begin();
        auto cut = bytes(begin, begin + static_cast<long>(size));
        CHECK_FALSE(accepts(offload_of(packet, 10), cut));
        if (size < packet.header_length() && size >= 4) {
          // Even if the IP header admits it.
          if (v4)
            store_be(&cut[2], static_cast<std::uint16_t>(size));
          else if (size >= 40)
            store_be(&cut[4], static_cast<std::uint16_t>(size - 40));
          CHECK_FALSE(accepts(offload_of(packet, 10), cut));
        }
      }
    }
  }
}

TEST_CASE("damaged headers never lead outside of the packet") {
  deterministic_random random{29};
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    auto packet = super_packet_of(random, random.below(2) == 0,
                                  random.below(2) == 0, random.below(3000));
    if (!packet.v4 && random.below(2) == 0) {
      packet.first_extension = 60;
      packet.extensions = bytes(8, std::byte{0});
      packet.extensions[0] = std::byte{packet.protocol()};
    }
    auto header = offload_of(packet, random.below(1500));
    auto raw = build_partial(packet);
    for (auto damage = random.below(4); damage > 0; --damage)
      raw[random.below(std::min<std::size_t>(raw.size(), 64))]
        = static_cast<std::byte>(random.next_u32());
    if (random.below(3) == 0) {
      byte_array<sizeof header> image{};
      std::memcpy(image.data(), &header, sizeof header);
      image[random.below(image.size())]
        = static_cast<std::byte>(random.next_u32());
      std::memcpy(&header, image.data(), sizeof header);
    }
    if (random.below(4) == 0)
      raw.resize(random.below(raw.size() + 1));
    // Memory of exactly this size, so that a sanitizer sees one byte too many.
    bytes exact(raw.begin(), raw.end());
    auto made = segmenter::create(header, exact);
    if (!made)
      continue;
    ++accepted;
    bytes memory(1 << 16);
    datagram_buffer buffer{memory};
    std::size_t rounds = 0;
    while (!made->split_into(buffer, mtu)) {
      REQUIRE_FALSE(buffer.empty());
      REQUIRE(++rounds < 70000);
      buffer.clear();
    }
  }
  CHECK(accepted > 2000);
}

TEST_CASE("only packets that may carry a message of a tunnel are marked") {
  const auto marked = [](const bytes& packet) {
    auto raw = packet;
    auto made = segmenter::create({}, raw);
    REQUIRE(made);
    bytes memory(4096);
    datagram_buffer buffer{memory};
    REQUIRE(made->split_into(buffer, mtu));
    const auto result = buffer.may_hold_messages();
    buffer.clear();
    CHECK_FALSE(buffer.may_hold_messages());
    return result;
  };
  deterministic_random random{12};
  for (const bool v4 : {true, false}) {
    auto udp = build_partial(super_packet_of(random, v4, false, 100));
    CHECK(marked(udp));
    CHECK_FALSE(marked(build_partial(super_packet_of(random, v4, true, 100))));
    if (v4)
      continue;
    udp[6] = std::byte{44}; // a fragment
    CHECK(marked(udp));
  }
}
