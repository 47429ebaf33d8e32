#include "protocol/tunnel/endpoint_swings.hpp"

#include "tests/catch.hpp"

#include <set>

namespace {

using namespace std::chrono_literals;
using namespace weft;

const endpoint office = *parse_endpoint("192.0.2.1:1");
const endpoint train = *parse_endpoint("192.0.2.2:2");
const endpoint hotel = *parse_endpoint("192.0.2.3:3");

struct mover {
  /// Whether it is said to go to and fro.
  bool to(const endpoint& where, duration after = 1s) {
    now += after;
    const auto both = swings.moved(where, now);
    if (both)
      CHECK(std::set{both->first, both->second} == std::set{office, train});
    return both.has_value();
  }

  time_point now{1h};
  endpoint_swings swings;
};

} // namespace

TEST_CASE_METHOD(mover, "An endpoint that comes back for the third time goes "
                        "to and fro") {
  CHECK_FALSE(to(office));
  CHECK_FALSE(to(train));
  CHECK_FALSE(to(office));
  CHECK_FALSE(to(train));
  CHECK(to(office));
  CHECK(to(train));
}

TEST_CASE_METHOD(mover, "Who moves on, or stays for a while, does not") {
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(to(office));
    CHECK_FALSE(to(train));
    CHECK_FALSE(to(hotel));
  }
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(to(office, 31s));
    CHECK_FALSE(to(train, 31s));
  }
}

TEST_CASE_METHOD(mover, "Where we look for a peer is no move of its own") {
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(to(office));
    swings.redirected(train);
  }
}
