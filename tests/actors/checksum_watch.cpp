#include "actors/overlay/checksum_watch.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr auto start = time_point{} + 1h;
using told = std::optional<std::uint64_t>;

} // namespace

TEST_CASE(
  "Wrong checksums are told of while the node's socket loses something, "
  "too") {
  checksum_watch watch{100};
  CHECK(watch.look(100, 0, start) == told{});
  CHECK(watch.look(130, 0, start + 5s) == told{});  // another program's
  CHECK(watch.look(130, 7, start + 10s) == told{}); // there was no room
  CHECK(watch.look(150, 9, start + 15s) == told{20});
  CHECK(watch.count() == 20);
}

TEST_CASE(
  "They are told of again after ten minutes, with all that came since") {
  checksum_watch watch{0};
  CHECK(watch.look(5, 1, start) == told{5});
  CHECK(watch.look(8, 2, start + 1min) == told{});
  CHECK(watch.look(9, 3, start + 9min) == told{});
  CHECK(watch.look(10, 4, start + 10min) == told{5});
}

TEST_CASE("Sockets that were opened anew begin to count anew") {
  checksum_watch watch{0};
  CHECK(watch.look(0, 50, start) == told{});
  CHECK(watch.look(1, 0, start + 5s) == told{});
  CHECK(watch.look(3, 2, start + 10s) == told{2});
}
