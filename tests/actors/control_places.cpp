#include "actors/control/server/client_account.hpp"
#include "actors/control/server/places.hpp"
#include "tests/catch.hpp"

#include <vector>

using namespace weft;
using namespace std::chrono_literals;

namespace {

newcomer from(const std::string& address, bool has_spoken = false) {
  return {*parse_ip_address(address), has_spoken};
}

const client_origin elsewhere = *parse_ip_address("100.64.0.1");

newcomer user(std::uint32_t number) {
  return {number, true};
}

} // namespace

TEST_CASE("Of those that wait the oldest gives way, if nothing else counts") {
  const std::vector<newcomer> all{from("192.0.2.1"), from("198.51.100.1"),
                                  from("2001:db8::1")};
  CHECK(who_gives_way(all, elsewhere) == 0);
  CHECK(who_gives_way({&all[1], 2}, elsewhere) == 0);
}

TEST_CASE("Of those that wait one of the largest network gives way") {
  std::vector<newcomer> all{from("203.0.113.9")};
  for (int i = 0; i < 20; ++i)
    all.push_back(from("192.0.2.1"));
  CHECK(who_gives_way(all, elsewhere) == 1);
  // Others of the same /24 are not those who crowd it.
  all.insert(all.begin() + 1, from("192.0.2.7"));
  CHECK(who_gives_way(all, elsewhere) == 2);
}

TEST_CASE("The next one counts as one of its network") {
  std::vector<newcomer> all{from("203.0.113.9"), from("203.0.113.10"),
                            from("192.0.2.1"), from("192.0.2.1")};
  CHECK(who_gives_way(all, elsewhere) == 0);
  CHECK(who_gives_way(all, all[2].from) == 2);
}

TEST_CASE("Many /64s of one /48, and many /48s of one /32, are one crowd") {
  const bool within_site = GENERATE(true, false);
  std::vector<newcomer> all;
  for (int i = 0; i < 8; ++i)
    all.push_back(from("2001:db8:" + std::to_string(i) + "::1"));
  all.push_back(from("192.0.2.1"));
  for (int i = 0; i < 55; ++i) {
    const auto part = std::to_string(i);
    all.push_back(from(within_site ? "2001:db9:7:" + part + "::1"
                                   : "2001:db9:" + part + "::1"));
  }
  for (int i = 0; i < 200; ++i) {
    const auto who = who_gives_way(all, elsewhere);
    REQUIRE(who >= 9);
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(who));
    all.push_back(from("2001:db9:7:" + std::to_string(100 + i) + "::1"));
  }
}

TEST_CASE("A site of a large network is told from its neighbours there") {
  std::vector<newcomer> all{from("2001:db8:1::1"), from("2001:db8:2:1::1")};
  for (int i = 0; i < 9; ++i)
    all.push_back(from("2001:db8:3:" + std::to_string(i) + "::1"));
  CHECK(who_gives_way(all, elsewhere) == 2);
}

TEST_CASE(
  "Those who have spoken stay while most are silent, and otherwise give "
  "way themselves") {
  std::vector<newcomer> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(from("192.0.2.1", true));
  for (int i = 0; i < 30; ++i)
    all.push_back(from("198.51.100." + std::to_string(i)));
  CHECK(who_gives_way(all, elsewhere) == 20);
  all.resize(25);
  CHECK(who_gives_way(all, elsewhere) == 0);
}

TEST_CASE("Users of this host are a crowd each") {
  std::vector<newcomer> all{user(0), from("192.0.2.1", true)};
  for (int i = 0; i < 10; ++i)
    all.push_back(user(1000));
  CHECK(who_gives_way(all, elsewhere) == 2);
}

TEST_CASE("Who has most places gives the newest of them to who has fewer") {
  const std::vector<std::string> holders{"a", "b", "a", "a", "b", "a"};
  CHECK(whose_place(holders, "c") == 5);
  CHECK(whose_place(holders, "b") == 5);
  CHECK_FALSE(whose_place(holders, "a"));
  // Nobody is to lose a place in order to have fewer than the other then.
  const std::vector<std::string> even{"a", "b", "a", "b"};
  CHECK_FALSE(whose_place(even, "b"));
  CHECK(whose_place(even, "c") == 2);
  const std::vector<std::string> singles{"a", "b"};
  CHECK_FALSE(whose_place(singles, "c"));
}

TEST_CASE("A bucket gives so many at once, and then one after each interval") {
  token_bucket bucket{3, 10ms};
  const time_point start{1h};
  for (int i = 0; i < 3; ++i)
    CHECK(bucket.take(start));
  CHECK_FALSE(bucket.take(start + 10ms - 1ns));
  CHECK(bucket.available() == start + 10ms);
  CHECK(bucket.take(start + 10ms));
  CHECK_FALSE(bucket.take(start + 10ms));
  CHECK_FALSE(bucket.is_full(start + 40ms - 1ns));
  CHECK(bucket.is_full(start + 40ms));
  for (int i = 0; i < 3; ++i)
    CHECK(bucket.take(start + 2h));
  CHECK_FALSE(bucket.take(start + 2h));
}

TEST_CASE("Lines that were left out are counted, and told of once") {
  line_limit lines{2, 1s};
  const time_point start{1h};
  CHECK(lines.allows(start));
  CHECK(lines.allows(start));
  CHECK_FALSE(lines.next_summary());
  for (int i = 0; i < 5; ++i)
    CHECK_FALSE(lines.allows(start));
  CHECK(lines.take_unsaid(start) == 0); // not even that may be said now
  CHECK(lines.next_summary() == start + 1s);
  CHECK(lines.take_unsaid(start + 1s) == 5);
  CHECK(lines.take_unsaid(start + 5s) == 0);
  CHECK_FALSE(lines.is_fresh(start + 2s));
  // Who goes on has no summary for each of his lines.
  while (lines.allows(start + 5s)) {
  }
  CHECK(lines.next_summary() == start + 11s);
  CHECK(lines.take_unsaid(start + 10s) == 0);
  CHECK(lines.take_unsaid(start + 11s) == 1);
  CHECK(lines.is_fresh(start + 15s));
}
