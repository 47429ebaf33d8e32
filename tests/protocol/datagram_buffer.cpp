#include "protocol/packets/datagram_buffer.hpp"

#include "tests/catch.hpp"

#include <algorithm>
#include <vector>

namespace {

using namespace weft;

constexpr std::byte dirt{0xaa};

} // namespace

TEST_CASE("Packets are padded to a multiple of 16, or to the MTU where that is "
          "less") {
  CHECK(padded_length(1, 1420) == 16);
  CHECK(padded_length(15, 1420) == 16);
  CHECK(padded_length(16, 1420) == 16);
  CHECK(padded_length(17, 1420) == 32);
  CHECK(padded_length(1408, 1420) == 1408);
  for (std::size_t length = 1409; length <= 1420; ++length)
    CHECK(padded_length(length, 1420) == 1420);
  CHECK(padded_length(1269 + 28, 1300) == 1300);
  // An MTU that is a multiple of 16 is reached, but not passed.
  CHECK(padded_length(1393, 1408) == 1408);
  CHECK(padded_length(1407, 1408) == 1408);
  CHECK(padded_length(1408, 1408) == 1408);
}

TEST_CASE("A packet longer than the MTU is not padded") {
  CHECK(padded_length(1421, 1420) == 1421);
  CHECK(padded_length(9001, 1420) == 9001);
}

TEST_CASE("Datagrams lie side by side, with room for header and tag") {
  std::vector<std::byte> memory(1000, dirt);
  datagram_buffer buffer(memory);
  CHECK(buffer.empty());
  auto first = buffer.add(20, 32);
  auto second = buffer.add(16, 16);
  REQUIRE(first.size() == 20);
  REQUIRE(second.size() == 16);
  CHECK(first.data() == memory.data() + 16);
  CHECK(second.data() == memory.data() + 64 + 16);
  CHECK(buffer.size() == 2);
  CHECK(buffer.used() == 64 + 48);
  CHECK(buffer[0].size() == 64);
  CHECK(buffer[1].data() == memory.data() + 64);
  CHECK(buffer.slices()[1].offset == 64);
  CHECK(buffer.slices()[1].length == 48);
  CHECK(buffer.memory().size() == 1000);
}

TEST_CASE("Padding is zeroed, and the packet's bytes are left alone") {
  std::vector<std::byte> memory(100, dirt);
  datagram_buffer buffer(memory);
  buffer.add(20, 32);
  CHECK(std::all_of(memory.begin(), memory.begin() + 36,
                    [](auto byte) { return byte == dirt; }));
  CHECK(std::all_of(memory.begin() + 36, memory.begin() + 48,
                    [](auto byte) { return byte == std::byte{0}; }));
  CHECK(memory[48] == dirt);
}

TEST_CASE("A datagram that does not fit changes nothing") {
  std::vector<std::byte> memory(100);
  datagram_buffer buffer(memory);
  CHECK(buffer.add(60, 69).empty());
  CHECK(buffer.add_message(101).empty());
  CHECK(buffer.empty());
  CHECK(buffer.add(60, 68).size() == 60);
  CHECK(buffer.add_message(1).empty());
  CHECK(buffer.size() == 1);
  CHECK(buffer.used() == 100);
}

TEST_CASE("Without memory nothing fits") {
  datagram_buffer buffer;
  CHECK(buffer.add(1, 16).empty());
  CHECK(buffer.add_message(1).empty());
  CHECK(buffer.empty());
}

TEST_CASE("A buffer takes 128 datagrams and no more") {
  std::vector<std::byte> memory(100'000);
  datagram_buffer buffer(memory);
  for (int i = 0; i < 128; ++i)
    REQUIRE(buffer.add_message(10).size() == 10);
  CHECK(buffer.add_message(10).empty());
  CHECK(buffer.add(10, 16).empty());
  CHECK(buffer.size() == 128);
}

TEST_CASE("A datagram has at most 65535 bytes") {
  std::vector<std::byte> memory(300'000);
  datagram_buffer buffer(memory);
  CHECK(buffer.add(65504, 65504).empty());
  CHECK(buffer.add(65503, 65503).size() == 65503);
  CHECK(buffer[0].size() == 65535);
  CHECK(buffer.add_message(65536).empty());
  CHECK(buffer.add_message(65535).size() == 65535);
}

TEST_CASE("A buffer that was cleared is used from the start") {
  std::vector<std::byte> memory(100);
  datagram_buffer buffer(memory);
  buffer.add_message(100);
  buffer.clear();
  CHECK(buffer.empty());
  CHECK(buffer.used() == 0);
  CHECK(buffer.add_message(50).data() == memory.data());
}

TEST_CASE("A datagram that is taken out leaves the others where they are") {
  std::vector<std::byte> memory(1000);
  datagram_buffer buffer(memory);
  for (std::size_t size : {10u, 20u, 30u, 40u})
    buffer.add_message(size);
  buffer.remove(1);
  REQUIRE(buffer.size() == 3);
  CHECK(buffer[0].size() == 10);
  CHECK(buffer[1].size() == 30);
  CHECK(buffer[1].data() == memory.data() + 30);
  CHECK(buffer[2].size() == 40);
  CHECK(buffer.used() == 100);
  buffer.remove(2);
  buffer.remove(0);
  REQUIRE(buffer.size() == 1);
  CHECK(buffer[0].size() == 30);
  buffer.remove(0);
  CHECK(buffer.empty());
}
