#include "actors/network/connection_bounds.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;

namespace {

ip_address source(const std::string& text) {
  return connection_bounds::source_of(parse_ip_address(text).value());
}

constexpr time_point some_time{1000s};

/// As a directory does it.
bool let_in(connection_bounds& bounds, const ip_address& source,
            time_point now = some_time) {
  return bounds.may_come(source, now) && bounds.admit(source, now);
}

} // namespace

TEST_CASE("Connections are counted by IPv4 address and by IPv6 network") {
  CHECK(source("192.0.2.1") != source("192.0.2.2"));
  CHECK(source("::ffff:192.0.2.1") == source("192.0.2.1"));
  CHECK(source("2001:db8::1") == source("2001:db8::ffff"));
  CHECK(source("2001:db8::1") != source("2001:db8:0:1::1"));
}

TEST_CASE("A source has its own bounds, and all together have theirs") {
  directory_limits limits;
  limits.unknown = 3;
  limits.unknown_of_source = 2;
  connection_bounds bounds(limits);
  const auto one = source("192.0.2.1");
  const auto other = source("192.0.2.2");
  CHECK(let_in(bounds, one));
  CHECK(let_in(bounds, one));
  CHECK_FALSE(let_in(bounds, one));
  CHECK(let_in(bounds, other));
  CHECK_FALSE(let_in(bounds, other)); // in all
  bounds.remove(one, connection_kind::unknown);
  CHECK(let_in(bounds, other));
  CHECK(bounds.count(connection_kind::unknown) == 3);
  CHECK(bounds.count(connection_kind::unknown, other) == 2);
}

TEST_CASE("Who has proven itself makes room for others who have not") {
  directory_limits limits;
  limits.unknown = 1;
  limits.members = 1;
  connection_bounds bounds(limits);
  const auto one = source("192.0.2.1");
  const auto other = source("192.0.2.2");
  CHECK(let_in(bounds, one));
  CHECK(bounds.promote(one, connection_kind::member));
  CHECK(let_in(bounds, other));
  CHECK_FALSE(bounds.promote(other, connection_kind::member));
  CHECK(bounds.promote(other, connection_kind::joining));
  CHECK(bounds.count(connection_kind::unknown) == 0);
  bounds.remove(one, connection_kind::member);
  bounds.remove(one, connection_kind::member); // nothing is left to remove
  CHECK(bounds.count(connection_kind::member) == 0);
}

TEST_CASE("New connections come at the rate that each source has") {
  directory_limits limits;
  limits.new_in_second = 5;
  limits.new_of_source_in_second = 4;
  connection_bounds bounds(limits);
  const auto one = source("192.0.2.1");
  for (int i = 0; i < 4; ++i)
    CHECK(let_in(bounds, one));
  CHECK_FALSE(let_in(bounds, one));
  CHECK(let_in(bounds, source("192.0.2.2")));
  CHECK_FALSE(bounds.may_accept(some_time)); // of anybody
  CHECK(bounds.may_accept(some_time + 1s));
  CHECK(let_in(bounds, one, some_time + 1s));
}

TEST_CASE("A source that comes too often uses up nobody else's share") {
  directory_limits limits;
  limits.new_in_second = 10;
  limits.new_of_source_in_second = 2;
  connection_bounds bounds(limits);
  for (int i = 0; i < 100; ++i)
    std::ignore = let_in(bounds, source("192.0.2.1"));
  CHECK(bounds.count(connection_kind::unknown) == 2);
  CHECK(bounds.may_accept(some_time));
  CHECK(let_in(bounds, source("192.0.2.2")));
}

TEST_CASE("Even what is turned away at once is accepted at a rate") {
  directory_limits limits;
  limits.accepted_in_second = 10;
  limits.new_of_source_in_second = 1;
  connection_bounds bounds(limits);
  for (int i = 0; i < 10; ++i)
    std::ignore = bounds.may_come(source("192.0.2.1"), some_time);
  CHECK_FALSE(bounds.may_accept(some_time));
  CHECK(bounds.may_accept(some_time + 1s));
}
