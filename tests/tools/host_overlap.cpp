#include "tools/weft/network/host_overlap.hpp"

#include "protocol/network/ranges.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <set>

using namespace weft;
using Catch::Contains;
using weft::test::deterministic_random;

namespace {

ip_prefix prefix(const char* text) {
  return *parse_ip_prefix(text);
}

const std::vector<host_network> host{{prefix("0.0.0.0/0"), "eth0", false},
                                     {prefix("128.0.0.0/1"), "tun0", false},
                                     {prefix("10.1.2.0/24"), "eth0", false},
                                     {prefix("10.1.2.3/32"), "eth0", true},
                                     {prefix("172.16.0.0/12"), "eth1", false},
                                     {prefix("fd00:1::/64"), "prod", false}};

std::optional<std::string> overlap(const char* range) {
  const std::vector ranges{prefix("192.168.0.0/16"), prefix(range)};
  return overlap_of(ranges, host, "prod");
}

} // namespace

TEST_CASE("A network's range that holds an address of the host is named") {
  const auto found = overlap("10.0.0.0/8");
  REQUIRE(found);
  CHECK(*found
        == "the range 10.0.0.0/8 holds 10.1.2.3, an address of this host "
           "(eth0)");
}

TEST_CASE("A network's range overlaps with what the host reaches, either way") {
  for (const auto* range : {"172.16.5.0/24", "172.0.0.0/8", "172.16.0.0/12"}) {
    const auto found = overlap(range);
    REQUIRE(found);
    CHECK_THAT(*found, Contains(range)
                         && Contains("172.16.0.0/12, which this host reaches "
                                     "by eth1"));
  }
}

TEST_CASE("Default routes and the node's own interface are in nobody's way") {
  CHECK_FALSE(overlap("10.200.0.0/16"));
  CHECK_FALSE(overlap("fd00:1::/48"));
}

TEST_CASE("The ranges that are drawn for a network are free, and others each "
          "time") {
  deterministic_random random(1);
  std::set<ip_prefix> drawn;
  for (int i = 0; i < 50; ++i) {
    const auto ranges = draw_free_ranges(host, random);
    REQUIRE(ranges.size() == 2);
    CHECK(covers(prefix("10.0.0.0/8"), ranges[0]));
    CHECK(ranges[0].length == 16);
    CHECK(covers(prefix("fd00::/8"), ranges[1]));
    CHECK(ranges[1].length == 48);
    for (const auto& each : ranges) {
      CHECK(each == each.network());
      CHECK_FALSE(overlap_of({&each, 1}, host, "prod"));
      drawn.insert(each);
    }
  }
  CHECK(drawn.size() > 60);
}

TEST_CASE("A host that reaches all of 10.0.0.0/8 gets a range elsewhere") {
  deterministic_random random(2);
  std::vector<host_network> wide{{prefix("10.0.0.0/8"), "eth0", false},
                                 {prefix("172.16.0.0/13"), "eth0", false}};
  CHECK(covers(prefix("172.24.0.0/13"), draw_free_ranges(wide, random).at(0)));
  wide.push_back({prefix("172.16.0.0/12"), "eth0", false});
  CHECK(draw_free_ranges(wide, random).at(0) == prefix("192.168.0.0/16"));
  wide.push_back({prefix("192.168.1.0/24"), "eth0", true});
  CHECK(covers(prefix("100.64.0.0/10"), draw_free_ranges(wide, random).at(0)));
  wide.push_back({prefix("100.0.0.0/8"), "eth0", false});
  wide.push_back({prefix("fc00::/7"), "eth0", false});
  CHECK(draw_free_ranges(wide, random).empty());
}
