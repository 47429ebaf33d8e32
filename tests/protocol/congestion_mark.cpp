#include "protocol/packets/congestion_mark.hpp"

#include "protocol/packets/datagram_buffer.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/inner_packets.hpp"

#include <array>
#include <optional>

using namespace weft;
using namespace weft::test;
using enum congestion_mark;

namespace {

constexpr std::array marks{not_capable, capable_1, capable_0, congested};

/// With some DSCP, which is nobody's business here.
bytes packet_with(congestion_mark mark, bool v4) {
  constexpr std::uint8_t dscp = 0xb8; // EF
  inner_packet packet;
  packet.v4 = v4;
  packet.tcp = false;
  packet.traffic_class
    = static_cast<std::uint8_t>(dscp | static_cast<unsigned>(mark));
  packet.payload = bytes(50, std::byte{7});
  return build(packet);
}

/// RFC 6040, section 4.2, figure 4; nothing: the packet is dropped.
std::optional<congestion_mark>
by_the_book(congestion_mark inner, congestion_mark outer) {
  if (inner == not_capable)
    return outer == congested ? std::nullopt : std::optional{not_capable};
  if (inner == congested || outer == congested)
    return congested;
  return outer == capable_1 ? capable_1 : inner;
}

} // namespace

TEST_CASE("The mark of a packet is found in IPv4 and IPv6, whatever its DSCP") {
  for (const auto mark : marks) {
    CHECK(congestion_mark_of(packet_with(mark, true)) == mark);
    CHECK(congestion_mark_of(packet_with(mark, false)) == mark);
  }
}

TEST_CASE("What is no IP packet bears no mark") {
  CHECK(congestion_mark_of({}) == not_capable);
  CHECK(congestion_mark_of(bytes(1, std::byte{0x45})) == not_capable);
  CHECK(congestion_mark_of(bytes(40, std::byte{0x33})) == not_capable);
}

TEST_CASE("A packet gets the mark that RFC 6040 says, and stays the same "
          "otherwise") {
  const bool v4 = GENERATE(true, false);
  for (const auto inner : marks) {
    for (const auto outer : marks) {
      CAPTURE(v4, static_cast<int>(inner), static_cast<int>(outer));
      auto packet = packet_with(inner, v4);
      const auto expected = by_the_book(inner, outer);
      REQUIRE(take_over(outer, packet) == expected.has_value());
      // Header checksum included: it is built anew here.
      if (expected)
        CHECK(packet == packet_with(*expected, v4));
    }
  }
}

TEST_CASE("A header checksum that was wrong is so afterwards") {
  auto packet = packet_with(capable_0, true);
  packet[10] ^= std::byte{0x10};
  REQUIRE(take_over(congested, packet));
  auto expected = packet_with(congested, true);
  expected[10] ^= std::byte{0x10};
  // Equal modulo 2^16-1, which is how checksums are compared.
  CHECK(naive_checksum(bytes(packet.begin(), packet.begin() + 20))
        == naive_checksum(bytes(expected.begin(), expected.begin() + 20)));
}

TEST_CASE("Marks that tell nothing are those that change no packet") {
  for (const auto outer : marks) {
    bool changes = false;
    for (const auto inner : marks)
      changes = changes || by_the_book(inner, outer) != inner;
    CHECK(tells_nothing(outer) == !changes);
  }
}

TEST_CASE("Each segment of a super-packet bears the mark of the whole") {
  inner_packet packet;
  packet.v4 = GENERATE(true, false);
  packet.tcp = GENERATE(true, false);
  packet.traffic_class = 1;
  packet.payload = bytes(4000, std::byte{1});
  auto partial = build_partial(packet);
  auto splitting = segmenter::create(offload_of(packet, 1000), partial);
  REQUIRE(splitting);
  std::vector<std::byte> memory(16384);
  datagram_buffer out{memory};
  REQUIRE(splitting->split_into(out, 1420));
  REQUIRE(out.size() == 4);
  for (const auto& slice : out.slices())
    CHECK(slice.mark == capable_1);
}

TEST_CASE("A datagram keeps its mark when one before it is taken out") {
  std::vector<std::byte> memory(4096);
  datagram_buffer buffer{memory};
  buffer.add(100, 112);
  buffer.add(100, 112, datagram_buffer::contents::no_message, capable_0);
  buffer.remove(0);
  CHECK(buffer.slices()[0].mark == capable_0);
  buffer.clear();
  buffer.add(100, 112);
  CHECK(buffer.slices()[0].mark == not_capable);
}
