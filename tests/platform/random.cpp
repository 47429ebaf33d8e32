#include "platform/random.hpp"

#include "tests/catch.hpp"

#include <algorithm>
#include <array>
#include <set>

using namespace weft;

TEST_CASE("The system's randomness fills everything and does not repeat") {
  system_random random;
  std::set<byte_array<32>> seen;
  std::array<bool, 32> touched{};
  for (int i = 0; i < 100; ++i) {
    byte_array<32> bytes{};
    random.fill(bytes);
    seen.insert(bytes);
    for (std::size_t at = 0; at < 32; ++at)
      touched[at] = touched[at] || bytes[at] != std::byte{0};
  }
  CHECK(seen.size() == 100);
  CHECK(std::find(touched.begin(), touched.end(), false) == touched.end());
  random.fill({});
}
