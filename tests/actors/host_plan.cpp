// What the host should be, as it follows from a configuration.
#include "actors/host/host_plan.hpp"

#include "actors/host/repair_limits.hpp"
#include "tests/catch.hpp"
#include "tests/platform/support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

interface_config interface_with(std::vector<ip_prefix> addresses) {
  interface_config interface;
  interface.addresses = std::move(addresses);
  return interface;
}

peer_config peer_with(std::vector<ip_prefix> allowed) {
  peer_config peer;
  peer.allowed_ips = std::move(allowed);
  return peer;
}

/// As people read it: `route 10.0.0.0/8`, one a line.
std::vector<std::string> read(const host_plan& plan) {
  std::vector<std::string> lines;
  for (const auto& need : plan)
    lines.push_back(std::string{kind_of(need)} + " " + text_of(need));
  return lines;
}

const plan_facts facts{{77, 20000}, 1400, 0x75};

std::vector<std::string> plan_of(const interface_config& interface,
                                 const std::vector<peer_config>& peers) {
  return read(make_plan(interface, networks_of(interface, peers), facts));
}

using lines = std::vector<std::string>;

const lines bare{"mtu 1400", "link up"};

lines operator+(lines a, const lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const lines rules_v4{"rule 20000: lookup main suppress_prefixlength 0 (IPv4)",
                     "rule 20001: not fwmark 0x75/0xfffffff0 lookup 77 (IPv4)"};
const lines rules_v6{"rule 20000: lookup main suppress_prefixlength 0 (IPv6)",
                     "rule 20001: not fwmark 0x75/0xfffffff0 lookup 77 (IPv6)"};

} // namespace

TEST_CASE("A plan has the link, the addresses and the cluster networks") {
  auto interface = interface_with(
    {prefix("10.0.0.1/24"), prefix("fd00::1/64")});
  interface.cluster_networks = {prefix("10.9.0.0/16"), prefix("fd00::/32")};
  const std::vector peers{peer_with({prefix("10.8.0.0/16")})};
  const lines wanted{"mtu 1400", "address 10.0.0.1/24", "address fd00::1/64",
                     "link up",  "route 10.9.0.0/16",   "route fd00::/32"};
  CHECK(plan_of(interface, peers) == wanted);
}

TEST_CASE("With automatic routes each allowed IP is routed once, but those "
          "that an address brings along") {
  auto interface = interface_with({prefix("10.0.0.1/24")});
  interface.routes = route_mode::automatic;
  interface.cluster_networks = {prefix("10.9.0.0/16")};
  const std::vector peers{
    peer_with({prefix("10.0.0.2/32"), prefix("10.9.0.0/16")}),
    peer_with(
      {prefix("10.0.0.0/24"), prefix("10.0.0.0/16"), prefix("fd00::2/128")})};
  const lines wanted{"mtu 1400",          "address 10.0.0.1/24",
                     "link up",           "route 10.9.0.0/16",
                     "route 10.0.0.0/16", "route fd00::2/128"};
  CHECK(plan_of(interface, peers) == wanted);
}

TEST_CASE("A table of the configuration gets all routes, and no rules") {
  interface_config interface;
  interface.routes = route_mode::automatic;
  interface.addresses = {prefix("10.0.0.1/24")};
  interface.table = 1234;
  interface.metric = 50;
  const std::vector peers{peer_with({prefix("10.0.0.2/32"), prefix("::/0")})};
  const lines wanted{"mtu 1400", "address 10.0.0.1/24", "link up",
                     "route 10.0.0.2/32 (table 1234)",
                     "route ::/0 (table 1234)"};
  CHECK(plan_of(interface, peers) == wanted);
  const auto plan = make_plan(interface, networks_of(interface, peers), facts);
  CHECK(std::get<host_route>(plan.back()).metric == 50);
  CHECK(tables_of(plan) == std::vector<std::uint32_t>{1234});
}

TEST_CASE("A default route of a family is a table of its own, and two rules") {
  interface_config interface;
  interface.routes = route_mode::automatic;
  CHECK(plan_of(interface, {peer_with({prefix("0.0.0.0/0")})})
        == bare + lines{"route 0.0.0.0/0 (table 77)"} + rules_v4);
  CHECK(plan_of(interface, {peer_with({prefix("::/0")})})
        == bare + lines{"route ::/0 (table 77)"} + rules_v6);
  interface.routes = route_mode::manual;
  CHECK(plan_of(interface, {peer_with({prefix("0.0.0.0/0")})}) == bare);
}

TEST_CASE("A peer with the default route has that of both families, or of "
          "those that it allows") {
  interface_config interface;
  peer_config peer;
  peer.default_route = true;
  const lines both{"route 0.0.0.0/0 (table 77)", "route ::/0 (table 77)"};
  CHECK(plan_of(interface, {peer}) == bare + both + rules_v4 + rules_v6);
  peer.allowed_ips = {prefix("10.0.0.0/8")};
  CHECK(plan_of(interface, {peer}) == bare + both + rules_v4 + rules_v6);
  peer.allowed_ips = {prefix("0.0.0.0/0")};
  CHECK(plan_of(interface, {peer})
        == bare + lines{"route 0.0.0.0/0 (table 77)"} + rules_v4);
}

TEST_CASE("With a kill switch the table ends nowhere, for both families") {
  interface_config interface;
  interface.kill_switch = true;
  CHECK(plan_of(interface, {}) == bare);
  auto peer = peer_with({prefix("0.0.0.0/0")});
  peer.default_route = true;
  CHECK(plan_of(interface, {peer})
        == bare
             + lines{"route 0.0.0.0/0 (table 77)",
                     "route unreachable 0.0.0.0/0 (table 77)",
                     "route unreachable ::/0 (table 77)"}
             + rules_v4 + rules_v6);
}

TEST_CASE("A node has its own place for rules, the same each time") {
  const auto place = place_of("weft0", {});
  CHECK(place == place_of("weft0", {}));
  CHECK(place.table != place_of("weft1", {}).table);
  CHECK(place.table != main_table);
  CHECK(place.priority < 32766);
  // Somebody else's rule is in the way only if another node made it.
  routing_rule other{ip_family::v4, place.priority + 1, place.table + 1};
  CHECK(place_of("weft0", std::vector{other}).priority == place.priority + 2);
  other.protocol = 4;
  CHECK(place_of("weft0", std::vector{other}) == place);
  const routing_rule own{ip_family::v4, place.priority + 1, place.table};
  CHECK(place_of("weft0", std::vector{own}) == place);
}

TEST_CASE("What a node has made is known by its place, also at another "
          "priority") {
  const auto place = place_of("weft0", {});
  const auto rule = [](std::uint32_t priority, std::uint32_t table) {
    return routing_rule{ip_family::v6, priority, table};
  };
  const std::vector present{
    rule(place.priority, main_table),
    rule(place.priority + 1, place.table),
    rule(20'500, main_table),
    rule(20'501, place.table),
    rule(20'600, main_table),
    rule(20'601, place.table + 1),
    routing_rule{ip_family::v6, place.priority, main_table, 0, 0, false, {}, 4},
  };
  const std::vector wanted(present.begin(), present.begin() + 4);
  CHECK(rules_of(place, present) == wanted);
}

TEST_CASE("Nodes are known by the rules that they have made, each once") {
  const auto place = place_of("weft0", {});
  routing_rule own{ip_family::v4, place.priority + 1, place.table};
  own.inverted = true;
  auto other = own;
  other.family = ip_family::v6;
  auto foreign = own;
  foreign.protocol = 4;
  foreign.table += 1;
  const routing_rule elsewhere{ip_family::v4, 7, 1234};
  CHECK(places_in(std::vector{foreign, elsewhere}).empty());
  CHECK(places_in(std::vector{foreign, own, other, elsewhere})
        == std::vector{place});
}

TEST_CASE("The mark that is chosen is one that no rule looks for") {
  const auto looking_for = [](std::uint32_t mark, std::uint32_t mask) {
    routing_rule rule;
    rule.fwmark = mark;
    rule.fwmask = mask;
    return std::vector{rule};
  };
  const auto chosen = [](const std::vector<routing_rule>& present) {
    return choose_mark({}, present);
  };
  CHECK(chosen({}) == 0x70);
  CHECK(chosen(looking_for(1, 0xffffffff)) == 0x70);
  CHECK(chosen(looking_for(0x80000, 0xff0000)) == 0x70);
  CHECK(chosen(looking_for(0, 0)) == 0x70);
  // One of the sixteen is in use, in full or by its bits.
  CHECK(chosen(looking_for(0x7f, 0xffffffff)) == 0x60);
  CHECK(chosen(looking_for(0x40, 0x40)) == 0x30);
  // All that are odd: no sixteen are without.
  CHECK(chosen(looking_for(1, 1)) == 0x70);
  CHECK(choose_mark({5, 0}, looking_for(1, 1)) == 0x76);
  // No bit of ours is looked at, and all are.
  CHECK(chosen(looking_for(0, 0xff00)) == 0x70);
  CHECK(chosen(looking_for(0, 0x7f)) == 0x70);
  // Another place begins elsewhere, and goes round.
  CHECK(choose_mark({5, 0}, {}) == 0x75);
  CHECK(choose_mark({0x1f, 0}, {}) == 0x7f);
}

TEST_CASE("Full tunnels of one host leave each other's datagrams alone") {
  const auto rule_of
    = [](std::uint32_t priority, std::uint32_t table, std::uint32_t fwmark) {
        peer_config peer;
        peer.default_route = true;
        interface_config interface;
        const auto plan
          = make_plan(interface, networks_of(interface, std::vector{peer}),
                      {{table, priority}, 1420, fwmark});
        return std::get<routing_rule>(plan.back());
      };
  const auto table = place_of("weft0", {}).table;
  // In the other one's sixteen, whatever they are, but not the same.
  const auto other = rule_of(20'000, table, 0x25);
  const auto mark = choose_mark({5, 0}, std::vector{other});
  CHECK(mark == 0x26);
  const auto own = rule_of(20'010, table + 1, mark);
  const auto found = rivals_of({own}, std::vector{own, other});
  REQUIRE(found.size() == 1);
  CHECK(found[0].rule == other);
  CHECK(found[0].comes_first);
  CHECK_FALSE(found[0].is_in_the_way);
  CHECK_FALSE(rivals_of({other}, std::vector{own, other})[0].comes_first);
  // A mark of the configuration is nobody else's.
  auto configured = other;
  configured.fwmark = 0x1234;
  configured.fwmask = 0xffffffff;
  CHECK(rivals_of({own}, std::vector{configured})[0].is_in_the_way);
  CHECK(rivals_of({configured}, std::vector{own})[0].is_in_the_way);
  // Of another family, and of another program.
  configured.family = ip_family::v4;
  CHECK(rivals_of({own}, std::vector{configured}).empty());
  configured = other;
  configured.protocol = 4;
  CHECK(rivals_of({own}, std::vector{configured}).empty());
}

TEST_CASE("What a host lacks is found") {
  auto interface = interface_with({prefix("10.0.0.1/24")});
  interface.cluster_networks = {prefix("10.9.0.0/16")};
  peer_config peer;
  peer.default_route = true;
  const auto plan
    = make_plan(interface, networks_of(interface, std::vector{peer}), facts);
  host_state state{1400, true, {prefix("10.0.0.1/24")}, {}, {}};
  for (const auto& need : plan) {
    if (const auto* route = std::get_if<host_route>(&need))
      state.routes.push_back(*route);
    if (const auto* rule = std::get_if<routing_rule>(&need))
      state.rules.push_back(*rule);
  }
  // What the kernel says of a metric that was left to it.
  state.routes[0].metric = 1024;
  const auto missing = [&plan](host_state host) {
    host.sort();
    host_plan lacking;
    for (const auto& need : plan)
      if (lacks(host, need))
        lacking.push_back(need);
    return read(lacking);
  };
  CHECK(missing(state).empty());
  auto less = state;
  less.mtu = 1300;
  less.is_up = false;
  less.addresses = {prefix("10.0.0.1/16"), prefix("10.0.0.2/24")};
  CHECK(missing(less) == lines{"mtu 1400", "address 10.0.0.1/24", "link up"});
  less = state;
  less.routes[0].table = 99;
  less.rules[1].fwmark = 6;
  CHECK(missing(less) == lines{"route 10.9.0.0/16", rules_v4[1]});
}

TEST_CASE("A metric that is configured has to be that one") {
  interface_config interface;
  interface.cluster_networks = {prefix("10.9.0.0/16")};
  interface.metric = 7;
  const auto plan = make_plan(interface, {}, facts);
  host_state state{
    1400, true, {}, {{prefix("10.9.0.0/16"), main_table, 1024}}, {}};
  CHECK(lacks(state, plan.back()));
  state.routes.push_back({prefix("10.9.0.0/16"), main_table, 7});
  state.sort();
  CHECK_FALSE(lacks(state, plan.back()));
}

TEST_CASE("What is put back again and again is left alone after five times") {
  repair_limits limits;
  const host_need address = own_address{prefix("10.0.0.1/24")};
  const host_need route = host_route{prefix("10.9.0.0/16")};
  time_point now{1h};
  for (unsigned i = 1; i <= repair_limits::most_repairs; ++i) {
    CHECK(limits.due(address, now) <= now);
    CHECK(limits.note(address, now) == (i == repair_limits::most_repairs));
    now += 1s;
  }
  CHECK(limits.due(address, now) == now - 1s + repair_limits::peace);
  CHECK(limits.due(route, now) <= now); // each by itself
  limits.reset();
  CHECK(limits.due(address, now) <= now);
}

TEST_CASE("After long quiet what was put back is forgotten") {
  repair_limits limits;
  const host_need address = own_address{prefix("10.0.0.1/24")};
  const time_point now{1h};
  for (unsigned i = 0; i < repair_limits::most_repairs; ++i)
    limits.note(address, now);
  limits.looked(now + repair_limits::peace - 1s);
  CHECK(limits.due(address, now + repair_limits::peace - 1s)
        == now + repair_limits::peace);
  limits.looked(now + repair_limits::peace);
  CHECK_FALSE(limits.note(address, now + repair_limits::peace));
}

TEST_CASE("A rule is put back once in five seconds") {
  repair_limits limits;
  const host_need rule = routing_rule{};
  const time_point now{1h};
  CHECK(limits.due(rule, now) <= now);
  limits.note(rule, now);
  CHECK(limits.due(rule, now + 1s) == now + repair_limits::between_rules);
}

TEST_CASE("The host is looked at once others have finished, and not all the "
          "time") {
  repair_limits limits;
  const time_point now{1h};
  CHECK(limits.next_look(now) == now + repair_limits::settling);
  limits.looked(now);
  CHECK(limits.next_look(now) == now + repair_limits::between_looks);
  CHECK(limits.next_look(now + 5s) == now + 5s + repair_limits::settling);
}
