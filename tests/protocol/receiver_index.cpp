#include "protocol/tunnel/receiver_index.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <bit>
#include <set>

using namespace weft;
using namespace weft::test;

TEST_CASE("slot and generation come back from a receiver index") {
  deterministic_random random{71};
  const receiver_index_codec codec{random};
  for (int round = 0; round < 100000; ++round) {
    const auto slot = random.next_u32() % receiver_index_codec::max_slots;
    const auto generation = random.next_u32() % 4096;
    const auto index = codec.encode(slot, generation);
    REQUIRE(codec.slot(index) == slot);
    REQUIRE(codec.generation(index) == generation);
  }
}

TEST_CASE("generations count modulo 2^12") {
  deterministic_random random{72};
  const receiver_index_codec codec{random};
  CHECK(codec.encode(5, 4096) == codec.encode(5, 0));
  CHECK(codec.encode(5, 0xffffffff) == codec.encode(5, 4095));
}

TEST_CASE("any index decodes to the slot and generation that encode to it") {
  deterministic_random random{73};
  const receiver_index_codec codec{random};
  for (int round = 0; round < 100000; ++round) {
    const auto index = random.next_u32();
    REQUIRE(codec.encode(codec.slot(index), codec.generation(index)) == index);
  }
}

TEST_CASE("no two sessions share an index") {
  deterministic_random random{74};
  const receiver_index_codec codec{random};
  std::vector<std::uint32_t> indices;
  for (std::uint32_t slot = 0; slot < receiver_index_codec::max_slots; ++slot)
    indices.push_back(codec.encode(slot, 1));
  for (std::uint32_t generation = 0; generation < 4096; ++generation) {
    if (generation != 1)
      indices.push_back(codec.encode(7, generation));
  }
  std::sort(indices.begin(), indices.end());
  CHECK(std::adjacent_find(indices.begin(), indices.end()) == indices.end());
}

TEST_CASE("indices of neighbours show no pattern") {
  deterministic_random random{75};
  const receiver_index_codec codec{random};
  constexpr std::uint32_t count = 20000;
  std::array<unsigned, 32> ones{};
  std::array<unsigned, 32> flips{};
  unsigned ascending = 0;
  std::set<std::uint32_t> differences;
  std::set<std::uint32_t> low_halves;
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    const auto index = codec.encode(slot, 0);
    const auto next = codec.encode(slot + 1, 0);
    for (std::size_t bit = 0; bit < 32; ++bit) {
      ones[bit] += index >> bit & 1;
      flips[bit] += (index ^ next) >> bit & 1;
    }
    ascending += next > index ? 1u : 0u;
    differences.insert(next - index);
    low_halves.insert(index & 0xffff);
  }
  // Six standard deviations of a fair coin: 6 * sqrt(20000) / 2 = 424.
  for (std::size_t bit = 0; bit < 32; ++bit) {
    CHECK(ones[bit] == Approx(count / 2).margin(424));
    CHECK(flips[bit] == Approx(count / 2).margin(424));
  }
  CHECK(ascending == Approx(count / 2).margin(424));
  CHECK(differences.size() > count - 10);
  // 65536 * (1 - exp(-20000 / 65536)) different values are expected.
  CHECK(low_halves.size() == Approx(17235).margin(400));
}

TEST_CASE("the next generation of a slot has an unrelated index") {
  deterministic_random random{76};
  const receiver_index_codec codec{random};
  unsigned flipped = 0;
  for (std::uint32_t generation = 0; generation < 4096; ++generation)
    flipped += static_cast<unsigned>(std::popcount(
      codec.encode(3, generation) ^ codec.encode(3, generation + 1)));
  CHECK(flipped == Approx(4096 * 16).margin(6 * 181));
}

TEST_CASE("every device has its own permutation") {
  deterministic_random random{77};
  const receiver_index_codec one{random};
  const receiver_index_codec other{random};
  unsigned equal = 0;
  for (std::uint32_t slot = 0; slot < 10000; ++slot)
    equal += one.encode(slot, 0) == other.encode(slot, 0) ? 1u : 0u;
  CHECK(equal <= 1);
}
