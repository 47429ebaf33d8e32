#include "config/packed_words.hpp"

#include "tests/catch.hpp"

#include <array>
#include <numeric>

using namespace weft;

namespace {

constexpr std::size_t count = 128; // of a replay window
using some_words = std::array<std::uint64_t, count>;

some_words unpacked(const_byte_span packed) {
  some_words words{};
  words.fill(7); // all of it is written
  REQUIRE(unpack_words(packed, words));
  return words;
}

} // namespace

TEST_CASE("Words are packed as runs of equal ones, and never take more than "
          "they do as they are") {
  some_words words{};
  std::size_t size = 9;
  SECTION("all are equal") {
  }
  SECTION("the first, the last and one between differ") {
    words.front() = ~std::uint64_t{0};
    words[50] = 1;
    words.back() = 0x0102030405060708;
    size = 5 * 9;
  }
  SECTION("as many runs as are shorter") {
    std::iota(words.begin(), words.begin() + 112, 1);
    size = 113 * 9;
  }
  SECTION("one run more") {
    std::iota(words.begin(), words.begin() + 113, 1);
    size = sizeof words;
  }
  SECTION("all differ") {
    std::iota(words.begin(), words.end(), 1);
    size = sizeof words;
  }
  const auto packed = pack_words(words);
  CHECK(packed.size() == size);
  CHECK(unpacked(packed) == words);
}

TEST_CASE("More words than a run may have are several runs") {
  const std::vector<std::uint64_t> words(600, 5);
  const auto packed = pack_words(words);
  CHECK(packed.size() == 3 * 9);
  std::vector<std::uint64_t> read(words.size());
  REQUIRE(unpack_words(packed, read));
  CHECK(read == words);
}

TEST_CASE("What is no packed words is refused") {
  some_words words{};
  words[9] = 1;
  auto packed = pack_words(words);
  REQUIRE(packed.size() == 3 * 9);
  SECTION("nothing") {
    packed.clear();
  }
  SECTION("a part of a run") {
    packed.pop_back();
  }
  SECTION("a run is missing") {
    packed.resize(2 * 9);
  }
  SECTION("a run is too long") {
    packed[0] = std::byte{10};
  }
  SECTION("there are more runs than words") {
    packed.resize(4 * 9);
    packed[3 * 9] = std::byte{1};
  }
  CHECK_FALSE(unpack_words(packed, words));
}
