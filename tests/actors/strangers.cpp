#include "actors/peers/strangers.hpp"

#include "tests/catch.hpp"

namespace {

using namespace std::chrono_literals;
using namespace weft;

endpoint at(const std::string& address) {
  return {parse_ip_address(address).value(), 51820};
}

public_key key_of(unsigned number) {
  public_key key;
  key.bytes[0] = static_cast<std::byte>(number);
  key.bytes[1] = static_cast<std::byte>(number >> 8);
  return key;
}

constexpr time_point start{1h};

} // namespace

TEST_CASE("A stranger is told of at once, and again after a minute") {
  strangers door;
  CHECK(door.knocks(key_of(1), at("192.0.2.1"), start));
  CHECK_FALSE(door.knocks(key_of(1), at("192.0.2.1"), start + 5s));
  // From another address of its network, too.
  CHECK_FALSE(door.knocks(key_of(1), at("192.0.2.2"), start + 10s));
  CHECK(door.knocks(key_of(1), at("198.51.100.1"), start + 15s));
  CHECK(door.knocks(key_of(2), at("192.0.2.1"), start + 20s));
  CHECK_FALSE(door.knocks(key_of(1), at("192.0.2.1"), start + 1min - 1ns));
  CHECK(door.knocks(key_of(1), at("192.0.2.1"), start + 1min));
}

TEST_CASE("However many keys and addresses are made up, few strangers are told "
          "of, and those of one network take not all places") {
  strangers door;
  unsigned told = 0;
  for (unsigned i = 0; i < 1000; ++i)
    told += door.knocks(key_of(i), at("192.0.2." + std::to_string(i % 256)),
                        start);
  CHECK(told == strangers::most_of_network);
  CHECK(door.knocks(key_of(1), at("2001:db8::1"), start));
  for (unsigned i = 0; i < 1000; ++i)
    told += door.knocks(key_of(i),
                        at("2001:db8:0:" + std::to_string(i) + "::1"), start);
  CHECK(told == strangers::most - 1);
  CHECK_FALSE(door.knocks(key_of(1), at("203.0.113.1"), start + 59s));
  CHECK(door.knocks(key_of(1), at("203.0.113.1"), start + 1min));
}

TEST_CASE("Messages for other keys are told of once in ten minutes, in one "
          "line") {
  strangers door;
  const auto first = door.uses_wrong_key(at("192.0.2.1"), start);
  REQUIRE(first);
  CHECK(first->messages == 1);
  for (int i = 0; i < 7; ++i)
    CHECK_FALSE(door.uses_wrong_key(at("192.0.2.2"), start + 10min - 1ns));
  const auto next = door.uses_wrong_key(at("192.0.2.3"), start + 10min);
  REQUIRE(next);
  CHECK(next->messages == 8);
  CHECK(next->last == at("192.0.2.3"));
}
