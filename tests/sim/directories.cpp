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
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
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

namespace {

/// Many members while all fails that may.  So many have a view.
void run_many(std::uint64_t seed, std::size_t members, std::size_t with_view) {
  CAPTURE(seed);
  directories_run net(seed, 3, members, with_view);
  net.run_for(30s);
  CHECK(net.live() == members);
  CHECK(net.describe() == "");
  net.weather = bad_weather;
  net.run_for(30s);
  net.weather.movements = 0;
  net.weather.renewals = 0;
  net.run_for(10s);
  net.heal();
  net.run_for(10s);
  CHECK(net.describe() == "");
  CHECK(net.live() > members - 50);
  CHECK_FALSE(net.recovering());
  CHECK(net.sound);
}

} // namespace

TEST_CASE("Two hundred members agree within 10 s after directories, members, "
          "ways and the store have failed") {
  run_many(1, 200, 50);
}

// These take a minute of processor time a run; tests/CMakeLists.txt says when
// they do (tools/test --long: all of them).

TEST_CASE("A thousand members agree within 10 s after directories, members, "
          "ways and the store have failed",
          "[.thousand]") {
  run_many(1, 1'000, 100);
}

TEST_CASE("A thousand members agree, in many runs", "[.long]") {
  for (std::uint64_t seed = 2; seed <= 5; ++seed)
    run_many(seed, 1'000, 100);
}

TEST_CASE("A directory that lies adds, moves and takes away no peer, and an "
          "honest one makes good what it told") {
  directories_run net(4, 2, 20);
  net.run_for(15s);
  REQUIRE(net.describe() == "");
  net.weather.breaks = 1000;
  net.weather.lies = 1000;
  net.run_for(60s);
  CHECK(net.describe() == "");
  net.weather.movements = 500;
  net.weather.lies = 300;
  net.run_for(60s);
  CHECK(net.sound);
  net.weather = {};
  net.run_for(10s);
  for (const std::size_t which : {0U, 1U}) {
    net.kill_directory(which);
    net.start_directory(which);
  }
  net.run_for(10s);
  CHECK(net.describe() == "");
  CHECK_FALSE(net.recovering());
  CHECK(net.sound);
}

TEST_CASE("A store that was set back heals by the issuer's journal and the "
          "members' records") {
  directories_run net(5, 2, 10);
  net.run_for(15s);
  const auto backup = net.store();
  net.move_all();
  REQUIRE(net.renew(3));
  net.remove(4);
  net.run_for(30s); // a second record comes 10 s after the first
  REQUIRE(net.describe() == "");
  for (const std::size_t which : {0U, 1U})
    net.kill_directory(which);
  net.set_store(backup);
  for (const std::size_t which : {0U, 1U})
    net.start_directory(which);
  net.run_for(30s);
  CHECK(net.describe() == "");
  CHECK_FALSE(net.recovering());
}

TEST_CASE("What store and issuer both have lost, a member shows, then nothing "
          "is given out until somebody says so") {
  directories_run net(6, 2, 10);
  net.run_for(15s);
  const auto backup = net.store();
  const auto issued = net.issued();
  // Some are with the directory that does not reach the issuer.
  for (std::size_t who = 0; who < 10; ++who)
    REQUIRE(net.renew(who));
  net.run_for(15s);
  REQUIRE(net.issued() >= issued + 4); // two may be lists
  REQUIRE(net.describe() == "");
  for (const std::size_t which : {0U, 1U})
    net.kill_directory(which);
  net.set_store(backup);
  net.forget_issued(issued);
  for (const std::size_t which : {0U, 1U})
    net.start_directory(which);
  net.run_for(directory::grace_elsewhere + 40s);
  CHECK(net.recovering());
  // It stands in the store: every directory knows, also after a restart.
  for (const std::size_t which : {0U, 1U}) {
    REQUIRE(net.directory_at(which)->find_reason_to_wait());
    CHECK_FALSE(net.directory_at(which)->recovering().empty());
    net.kill_directory(which);
    net.start_directory(which);
  }
  net.run_for(10s);
  CHECK(net.recovering());
  // What was lost is told again, and members are served.
  CHECK(net.describe() == "");
  const auto id = net.store().id;
  net.recover();
  net.run_for(5s);
  CHECK_FALSE(net.recovering());
  CHECK_FALSE(net.directory_at(0)->find_reason_to_wait());
  CHECK(net.store().id != id);
}

TEST_CASE("Members run on while all directories are away, and come back") {
  directories_run net(7, 2, 20);
  net.run_for(15s);
  REQUIRE(net.describe() == "");
  for (const std::size_t which : {0U, 1U})
    net.kill_directory(which);
  net.run_for(10min);
  CHECK(net.describe() == "");
  for (const std::size_t which : {0U, 1U})
    net.start_directory(which);
  net.run_for(31s);
  for (std::size_t i = 0; i < 20; ++i)
    CHECK(net.is_member_connected(i));
}

TEST_CASE("A few members agree within 3 s of their directory's return, however "
          "long it was away") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    directories_run net(seed, 1, 5);
    net.run_for(15s);
    REQUIRE(net.describe() == "");
    net.kill_directory(0);
    net.run_for(10min);
    net.move_all();
    net.start_directory(0);
    net.run_for(3s);
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(net.is_member_connected(i));
    CHECK(net.describe() == "");
  }
}

TEST_CASE("Members of a directory that is cut off from its store go to others, "
          "and stay connected when all are") {
  directories_run net(8, 3, 30);
  net.run_for(15s);
  REQUIRE(net.describe() == "");
  CHECK(net.members_at(2) > 0);
  net.cut_off(2, true);
  net.run_for(30s);
  CHECK(net.members_at(2) == 0);
  net.move_all();
  net.remove(5);
  net.run_for(2s);
  CHECK(net.describe() == "");
  // Who is there already stays there while the others follow.
  for (const std::size_t which : {0U, 1U})
    net.cut_off(which, true);
  net.run_for(40s);
  for (int second = 0; second < 120; ++second) {
    net.run_for(1s);
    // Whether the removed one is, a directory that has not heard of it decides.
    for (std::size_t i = 0; i < 30; ++i)
      CHECK((i == 5 || net.is_member_connected(i)));
  }
  // One comes back: all are there before long, and know what has changed.
  net.cut_off(1, false);
  net.run_for(10s);
  net.move_all();
  net.run_for(2 * member_session::stay_cut_off + 10s);
  CHECK(net.members_at(1) == 29);
  CHECK(net.describe() == "");
  CHECK_FALSE(net.recovering());
  CHECK(net.sound);
}
