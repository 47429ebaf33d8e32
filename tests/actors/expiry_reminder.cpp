#include "actors/control/server/expiry_reminder.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

constexpr wall_time now{1'700'000'000s};

std::vector<certificate_status> ending(wall_time when) {
  return {{"certificate", "n1", when}};
}

} // namespace

TEST_CASE("a certificate that holds for long is not spoken of") {
  expiry_reminder reminder;
  CHECK(reminder.due(ending(now + 31 * 24h), now).empty());
}

TEST_CASE("from 30 days before its end on there is a line a day") {
  expiry_reminder reminder;
  const auto end = now + 12 * 24h + 1h;
  const auto first = reminder.due(ending(end), now);
  REQUIRE(first.size() == 1);
  CHECK_THAT(first[0], Contains("control.certificate")
                         && Contains("'n1' ends in 12 days")
                         && Contains("'weft pki renew n1'"));
  CHECK(reminder.due(ending(end), now + 23h).empty());
  CHECK(reminder.due(ending(end), now + 24h).size() == 1);
  CHECK(reminder.due(ending(end), now + 25h).empty());
}

TEST_CASE("what has expired is said, too, and what was renewed no more") {
  expiry_reminder reminder;
  const auto late = reminder.due(ending(now), now);
  REQUIRE(late.size() == 1);
  CHECK_THAT(late[0], Contains("has expired"));
  CHECK(reminder.due(ending(now + 365 * 24h), now + 1h).empty());
  CHECK(reminder.due(ending(now + 24h), now + 2h).size() == 1);
}

TEST_CASE("the authority and the certificate each have their line") {
  expiry_reminder reminder;
  auto both = ending(now + 24h);
  both.push_back({"ca", "weft", now + 1h});
  const auto lines = reminder.due(both, now);
  REQUIRE(lines.size() == 2);
  CHECK_THAT(lines[1],
             Contains("control.ca") && Contains("'weft' ends within a day"));
}

TEST_CASE("a clock that was put back does not silence it") {
  expiry_reminder reminder;
  CHECK(reminder.due(ending(now + 24h), now).size() == 1);
  CHECK(reminder.due(ending(now + 24h), now - 48h).size() == 1);
}
