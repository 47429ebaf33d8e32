#include "tools/weft/network/host_overlap.hpp"

#include "tests/catch.hpp"

using namespace weft;
using Catch::Contains;

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
