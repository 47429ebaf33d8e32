#include "actors/packets/known_endpoints.hpp"

#include "tests/actors/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

endpoint number(std::uint16_t port) {
  auto where = *parse_endpoint("192.0.2.1:1");
  where.port = port;
  return where;
}

} // namespace

TEST_CASE("Endpoints beyond those that can be told apart are news once, and "
          "again when there is room") {
  known_endpoints known(3);
  time_point now{1h};
  for (std::uint16_t port = 1; port <= 3; ++port)
    CHECK(known.add(number(port), now));
  CHECK_FALSE(known.add(number(2), now));
  REQUIRE(known.all());
  CHECK(known.all()->size() == 3);
  CHECK(known.add(number(4), now)); // now there are too many
  CHECK_FALSE(known.all());
  for (std::uint16_t port = 4; port <= 100; ++port)
    CHECK_FALSE(known.add(number(port), now));
  // Those that nothing was sent to for a session's life make room.
  now += 180s;
  CHECK_FALSE(known.add(number(5), now));
  CHECK_FALSE(known.all());
  now += 180s;
  CHECK(known.add(number(5), now));
  REQUIRE(known.all());
  CHECK(known.all()->size() == 1);
}

TEST_CASE("Whose an endpoint is, is whoever sent something there last") {
  world home;
  fake<peer_actor> one{home};
  fake<peer_actor> two{home};
  known_endpoints known(3);
  const time_point now{1h};
  known.add(number(1), now, one.handle());
  known.add(number(2), now, two.handle());
  CHECK(known.peer_at(number(1)) == one.handle());
  CHECK(known.peer_at(number(2)) == two.handle());
  CHECK_FALSE(known.peer_at(number(3)));
  CHECK_FALSE(known.add(number(1), now, two.handle()));
  CHECK(known.peer_at(number(1)) == two.handle());
}
