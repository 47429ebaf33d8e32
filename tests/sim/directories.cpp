// Directories and members' sessions in virtual time: whatever breaks, nobody is
// believed unverified, and soon after all agree.
#include "tests/sim/directories.hpp"

#include "tests/catch.hpp"

namespace {

using namespace weft;
using namespace weft::test;

const disturbances bad_weather{.longest = 300ms,
                               .breaks = 500,
                               .member_kills = 200,
                               .directory_kills = 50,
                               .cuts = 50,
                               .store_failures = 100,
                               .lies = 0,
                               .removals = 50,
                               .movements = 400,
                               .renewals = 150};

} // namespace

TEST_CASE("Sixty join at three directories at once, and soon all know each "
          "other") {
  directories_run net(1, 3, 60);
  net.run_for(10s);
  CHECK(net.live() == 60);
  CHECK(net.describe() == "");
  CHECK_FALSE(net.recovering());
  CHECK(net.sound);
}

TEST_CASE("A change is with all members within a second") {
  directories_run net(2, 3, 30);
  net.run_for(30s);
  REQUIRE(net.describe() == "");
  net.move_all();
  net.run_for(1s);
  CHECK(net.describe() == "");
  net.remove(5);
  net.run_for(1s);
  CHECK(net.describe() == "");
  CHECK_FALSE(net.is_member_connected(5));
}

TEST_CASE("Directories, members, ways and the store fail: nothing is given "
          "twice, and within 10 s after it all agree") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    directories_run net(seed, 3, 60);
    net.weather = bad_weather;
    net.run_for(60s);
    CHECK(net.sound);
    // A member's record changes once in 10 s: the last changes are let through.
    net.weather.movements = 0;
    net.weather.renewals = 0;
    net.run_for(10s);
    net.heal();
    net.run_for(10s);
    CHECK(net.describe() == "");
    CHECK(net.live() > 20);
    CHECK_FALSE(net.recovering());
    CHECK(net.sound);
  }
}
