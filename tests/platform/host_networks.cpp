#include "platform/host_networks.hpp"

#include "tests/platform/support.hpp"

#include <algorithm>

using namespace weft;
using namespace weft::test;

TEST_CASE("what a host has and reaches is listed with its interfaces") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link set lo up && ip link add a0 type veth peer name b0"
      " && ip link set a0 up && ip link set b0 up"
      " && ip addr add 10.1.2.3/24 dev a0 && ip addr add 10.5.5.5/32 dev lo"
      " && ip addr add fd00:1::1/64 dev a0 nodad"
      " && ip route add 10.9.0.0/16 via 10.1.2.1"
      " && ip route add 10.8.0.0/16 nexthop via 10.1.2.1 nexthop via 10.1.2.2"
      " && ip route add unreachable 10.7.0.0/16"
      " && ip route add 10.6.0.0/16 dev a0 table 77"
      " && ip route add default via 10.1.2.1");
  const auto all = list_host_networks();
  REQUIRE(all);
  const auto has = [&](const char* network, const char* interface, bool own) {
    return std::find(all->begin(), all->end(),
                     host_network{*parse_ip_prefix(network), interface, own})
           != all->end();
  };
  CHECK(has("10.1.2.3/32", "a0", true));
  CHECK(has("10.5.5.5/32", "lo", true));
  CHECK(has("fd00:1::1/128", "a0", true));
  CHECK(has("10.1.2.0/24", "a0", false));
  CHECK(has("fd00:1::/64", "a0", false));
  CHECK(has("10.9.0.0/16", "a0", false));
  CHECK(has("10.8.0.0/16", "a0", false));
  CHECK(has("0.0.0.0/0", "a0", false));
  for (const auto* none : {"10.7.0.0/16", "10.6.0.0/16"})
    CHECK(std::none_of(all->begin(), all->end(), [&](const auto& each) {
      return each.network == *parse_ip_prefix(none);
    }));
}
