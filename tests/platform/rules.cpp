// Routes of other tables than the main one, and policy rules.
#include "platform/network.hpp"
#include "tests/platform/support.hpp"

#include <net/if.h>

#include <algorithm>

using namespace weft;
using namespace weft::test;

namespace {

routing_rule own_rule(ip_family family) {
  routing_rule rule{family, 20001, 51820, 7, 0xffffffff};
  rule.inverted = true;
  return rule;
}

routing_rule main_rule(ip_family family) {
  routing_rule rule{family, 20000};
  rule.suppress_prefixlength = 0;
  return rule;
}

struct host {
  network_namespace here;
  network_configurator network = network_configurator::open().value();
  int link = 0;

  host() {
    run("ip link add link0 type bridge && ip link set link0 up");
    link = static_cast<int>(::if_nametoindex("link0"));
  }
  bool has(const routing_rule& rule) {
    return std::ranges::count(network.rules().value(), rule) == 1;
  }
};

} // namespace

TEST_CASE("a rule is added once, found as it was made, and removed") {
  if (!can_make_networks())
    return;
  host host;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  for (const auto& rule : {own_rule(family), main_rule(family)}) {
    INFO(to_string(rule));
    CHECK_FALSE(host.has(rule));
    CHECK(host.network.add_rule(rule) == true);
    CHECK(host.network.add_rule(rule) == false);
    CHECK(host.has(rule));
    CHECK(host.network.remove_rule(rule));
    CHECK_FALSE(host.has(rule));
    CHECK(host.network.remove_rule(rule)); // it is gone already
  }
}

TEST_CASE("a rule of somebody else is told from ours, and stays") {
  if (!can_make_networks())
    return;
  host host;
  const auto ours = own_rule(ip_family::v4);
  run("ip rule add not fwmark 7 lookup 51820 priority 20001");
  CHECK_FALSE(host.has(ours));
  REQUIRE(host.network.remove_rule(ours));
  CHECK(succeeds("ip rule show priority 20001 | grep -q 51820"));
  run("ip rule add from 10.0.0.0/8 lookup 51820 priority 20002 protocol 119");
  const auto rules = host.network.rules().value();
  const auto found = std::ranges::find(rules, 20002U, &routing_rule::priority);
  REQUIRE(found != rules.end());
  CHECK(found->has_more);
}

TEST_CASE("a rule reads as ip-rule(8) writes it") {
  CHECK(to_string(own_rule(ip_family::v4))
        == "20001: not fwmark 0x7 lookup 51820 (IPv4)");
  CHECK(to_string(main_rule(ip_family::v6))
        == "20000: lookup main suppress_prefixlength 0 (IPv6)");
  auto masked = own_rule(ip_family::v4);
  masked.fwmask = 0xff;
  CHECK(to_string(masked) == "20001: not fwmark 0x7/0xff lookup 51820 (IPv4)");
}

TEST_CASE("a route has its own table and metric") {
  if (!can_make_networks())
    return;
  host host;
  const auto* text = GENERATE("10.8.0.0/16", "fd08::/48", "0.0.0.0/0", "::/0");
  const host_route route{prefix(text), 51820, 77};
  CHECK(host.network.routes(host.link, 51820)->empty()); // no such table
  CHECK(host.network.add_route(host.link, route) == true);
  CHECK(host.network.add_route(host.link, route) == false);
  CHECK(host.network.routes(host.link, 51820) == std::vector{route});
  CHECK(host.network.unreachable_routes(51820)->empty());
  CHECK(host.network.remove_route(host.link, route));
  CHECK(host.network.routes(host.link, 51820)->empty());
}

TEST_CASE("a table ends in a route that leads nowhere") {
  if (!can_make_networks())
    return;
  host host;
  const auto* all = GENERATE("0.0.0.0/0", "::/0");
  const host_route end{prefix(all), 51820, last_metric, true};
  const host_route way{prefix(all), 51820};
  CHECK(host.network.add_route(host.link, end) == true);
  CHECK(host.network.unreachable_routes(51820) == std::vector{end});
  CHECK(host.network.add_route(host.link, way) == true);
  const auto family = std::string{end.network.address.is_v4() ? "-4" : "-6"};
  const auto outside
    = end.network.address.is_v4() ? "203.0.113.1" : "2001:db8::1";
  run("ip " + family + " rule add lookup 51820 priority 100");
  CHECK(find_route(address(outside))->interface_index == host.link);
  CHECK(host.network.remove_route(host.link, way));
  CHECK_FALSE(find_route(address(outside)));
  CHECK(host.network.remove_route(host.link, end));
  CHECK(host.network.unreachable_routes(51820)->empty());
}
