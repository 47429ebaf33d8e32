#include "protocol/tunnel/replay_window.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace {

using weft::replay_window;

// The paper's and RFC 6479's numbers, not the program's.
constexpr std::uint64_t width = 8192 - 64;
constexpr std::uint64_t limit = width + 1;
constexpr std::uint64_t reject_after = 0xffff'ffff'ffff'dfff;

struct step {
  std::uint64_t counter;
  bool accepted;
};

/// Remembers everything it has seen.
class oracle {
public:
  bool accept(std::uint64_t counter) {
    if (counter >= reject_after)
      return false;
    if (!seen_.empty() && *seen_.rbegin() > counter
        && *seen_.rbegin() - counter > width)
      return false;
    return seen_.insert(counter).second;
  }
  std::uint64_t newest() const {
    return seen_.empty() ? 0 : *seen_.rbegin();
  }

private:
  std::set<std::uint64_t> seen_;
};

} // namespace

TEST_CASE("The replay window passes the 34 steps of the kernel's self-test") {
  constexpr auto steps = std::to_array<step>({
    {0, true}, // 1
    {1, true},
    {1, false},
    {9, true},
    {8, true}, // 5
    {7, true},
    {7, false},
    {limit, true},
    {limit - 1, true},
    {limit - 1, false}, // 10
    {limit - 2, true},
    {2, true},
    {2, false},
    {limit + 16, true},
    {3, false}, // 15
    {limit + 16, false},
    {limit * 4, true},
    {limit * 4 - (limit - 1), true},
    {10, false},
    {limit * 4 - limit, false}, // 20
    {limit * 4 - (limit + 1), false},
    {limit * 4 - (limit - 2), true},
    {limit * 4 + 1 - limit, false},
    {0, false},
    {reject_after, false}, // 25
    {reject_after - 1, true},
    {reject_after, false},
    {reject_after - 1, false},
    {reject_after - 2, true},
    {reject_after + 1, false}, // 30
    {reject_after + 2, false},
    {reject_after - 2, false},
    {reject_after - 3, true},
    {0, false},
  });
  replay_window window;
  int number = 0;
  for (auto [counter, accepted] : steps) {
    CAPTURE(++number, counter);
    CHECK(window.would_accept(counter) == accepted);
    CHECK(window.accept(counter) == accepted);
  }
}

TEST_CASE("The replay window passes the bulk windows of the kernel's "
          "self-test") {
  replay_window window;
  auto all_accepted = [&](std::uint64_t from, std::uint64_t to) {
    const bool upwards = from <= to;
    for (auto counter = from;; upwards ? ++counter : --counter) {
      if (!window.accept(counter))
        return false;
      if (counter == to)
        return true;
    }
  };
  SECTION("a full window upwards, then the oldest") {
    CHECK(all_accepted(1, width));
    CHECK(window.accept(0));
    CHECK_FALSE(window.accept(0));
  }
  SECTION("a full window upwards, then one that is too old") {
    CHECK(all_accepted(2, width + 1));
    CHECK(window.accept(1));
    CHECK_FALSE(window.accept(0));
  }
  SECTION("a full window downwards") {
    CHECK(all_accepted(width, 0));
  }
  SECTION("a full window downwards, then one that is too old") {
    CHECK(all_accepted(width + 1, 1));
    CHECK_FALSE(window.accept(0));
  }
  SECTION("downwards, then a newer one that ends the oldest") {
    CHECK(all_accepted(width, 1));
    CHECK(window.accept(width + 1));
    CHECK_FALSE(window.accept(0));
  }
  SECTION("downwards with the oldest, then a newer one") {
    CHECK(all_accepted(width, 1));
    CHECK(window.accept(0));
    CHECK(window.accept(width + 1));
  }
}

TEST_CASE("Asking the replay window changes nothing") {
  replay_window window;
  CHECK(window.would_accept(5));
  CHECK(window.would_accept(100'000));
  CHECK(window.accept(5));
  CHECK(window.would_accept(4));
  CHECK(window.would_accept(4));
  CHECK_FALSE(window.would_accept(5));
  CHECK(window.accept(4));
}

TEST_CASE("A leap of any length leaves no stale marks in the replay window") {
  for (std::uint64_t leap :
       {1ull, 63ull, 64ull, 65ull, 8127ull, 8128ull, 8129ull, 8191ull, 8192ull,
        8193ull, 16384ull, 1ull << 32, (1ull << 32) + 64, 1ull << 63}) {
    CAPTURE(leap);
    replay_window window;
    for (std::uint64_t counter = 0; counter <= 8192; ++counter)
      REQUIRE(window.accept(counter));
    const auto newest = 8192 + leap;
    REQUIRE(window.accept(newest));
    unsigned fresh = 0;
    for (auto counter = newest - width; counter < newest; ++counter)
      if (window.accept(counter))
        ++fresh;
    CHECK(fresh == std::min(leap - 1, width));
  }
}

TEST_CASE("The first counter of a session may be any") {
  for (std::uint64_t first : {0ull, 1ull, 64ull, 8192ull, 1ull << 63}) {
    CAPTURE(first);
    replay_window window;
    CHECK(window.accept(first));
    CHECK_FALSE(window.accept(first));
    CHECK(window.accept(first + 1));
    if (first != 0)
      CHECK(window.accept(first - 1));
  }
}

TEST_CASE("Counters that no message may have do not move the replay window") {
  replay_window window;
  CHECK(window.accept(7));
  for (auto counter : {reject_after, reject_after + 1, ~std::uint64_t{0} - 1,
                       ~std::uint64_t{0}}) {
    CHECK_FALSE(window.would_accept(counter));
    CHECK_FALSE(window.accept(counter));
  }
  CHECK(window.accept(6));
  CHECK_FALSE(window.accept(7));
}

TEST_CASE("The replay window agrees with a memory of everything seen") {
  constexpr auto starts = std::to_array<std::uint64_t>(
    {0, 1ull << 31, (1ull << 32) - 5000, (1ull << 63) - 5000,
     reject_after - 20'000});
  weft::test::deterministic_random random(42);
  for (auto start : starts) {
    CAPTURE(start);
    replay_window window;
    oracle truth;
    CHECK(window.accept(start) == truth.accept(start));
    for (int i = 0; i < 30'000; ++i) {
      // Mostly near the newest, at times a leap or something ancient.
      const auto kind = random.below(100);
      const auto reach = kind == 0 ? 20'000u : kind < 20 ? 9'000u : 60u;
      const auto back = random.below(reach);
      const auto ahead = random.below(kind == 1 ? 9'000 : 4);
      const auto counter = truth.newest() + ahead - std::min(back, start);
      const bool expected = truth.accept(counter);
      if (window.would_accept(counter) != expected
          || window.accept(counter) != expected)
        FAIL_CHECK("differs at " << counter << ", step " << i);
    }
  }
}
