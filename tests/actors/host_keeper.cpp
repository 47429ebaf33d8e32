// Needs root: the host's own state, in network namespaces.
#include "actors/host/host_keeper.hpp"

#include "tests/platform/support.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

using namespace weft;
using namespace weft::test;

namespace {

/// All that a host has of rules and routes, but what the kernel makes itself.
std::string everything() {
  const temporary_folder files;
  const auto file = files.path() + "/all";
  run("{ ip rule; ip -6 rule; ip route show table all; ip -6 route show table "
      "all | grep -v anycast; } > "
      + file);
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

bool may_all(const host_need&) {
  return true;
}

struct host {
  network_namespace here;
  tun_device tun = tun_device::create("weft7").value();
  std::unique_ptr<host_keeper> keeper = open();
  interface_config interface;
  peer_config peer;

  host() {
    interface.addresses = {prefix("10.9.0.1/24"), prefix("fd09::1/64")};
    interface.cluster_networks = {prefix("10.10.0.0/16")};
  }
  std::unique_ptr<host_keeper> open(const std::string& name = "weft7") const {
    auto opened = host_keeper::open(tun.interface_index(), name);
    REQUIRE(opened);
    return std::move(*opened);
  }
  host_plan plan(std::uint32_t mark = 0x70) const {
    return make_plan(interface, networks_of(interface, std::vector{peer}),
                     {keeper->place(), interface.mtu, mark});
  }
  result<std::vector<std::string>> change() {
    return keeper->change(plan(), true);
  }
  std::vector<std::string> missing() const {
    std::vector<std::string> values;
    const auto items = keeper->compare();
    REQUIRE(items);
    for (const auto& item : *items)
      if (!item.in_place)
        values.push_back(item.value);
    return values;
  }
};

} // namespace

TEST_CASE("A host is as planned after a change, and after the next") {
  if (!can_make_networks())
    return;
  host host;
  const auto notes = host.change();
  REQUIRE(notes);
  CHECK(host.missing().empty());
  CHECK(succeeds("ip addr show dev weft7 | grep -q 10.9.0.1/24"));
  CHECK(succeeds("ip route show dev weft7 | grep -q 10.10.0.0/16"));
  host.interface.addresses = {prefix("10.9.0.2/24")};
  host.interface.cluster_networks = {prefix("10.11.0.0/16")};
  host.interface.mtu = 1300;
  const auto changed = host.change();
  REQUIRE(changed);
  CHECK(*changed
        == std::vector<std::string>{
          "interface.mtu: 1420 -> 1300",
          "interface.addresses: 10.9.0.2/24 added", "route 10.11.0.0/16 added",
          "route 10.10.0.0/16 removed",
          "interface.addresses: fd09::1/64 removed",
          "interface.addresses: 10.9.0.1/24 removed"});
  CHECK(host.missing().empty());
  CHECK_FALSE(succeeds("ip route show dev weft7 | grep -q 10.10.0.0/16"));
  CHECK_FALSE(succeeds("ip addr show dev weft7 | grep -q 10.9.0.1/24"));
}

TEST_CASE("A change that cannot be made in full changes nothing") {
  if (!can_make_networks())
    return;
  host host;
  REQUIRE(host.change());
  run("ip route add 10.12.0.0/16 dev lo");
  const auto before = everything();
  host.interface.addresses.push_back(prefix("10.9.0.3/24"));
  host.interface.cluster_networks = {prefix("10.12.0.0/16")};
  host.interface.mtu = 1300;
  host.peer.default_route = true;
  const auto refused = host.change();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EEXIST);
  CHECK(everything() == before);
  CHECK(host.missing().empty());
}

TEST_CASE("Some routes come and go, all or none, and the rest of the host is "
          "left to repairs") {
  if (!can_make_networks())
    return;
  host host;
  REQUIRE(host.change());
  run("ip route del 10.10.0.0/16; ip route add 10.12.0.0/16 dev lo");
  auto& networks = host.interface.cluster_networks;
  networks = {prefix("10.10.0.0/16"), prefix("10.11.0.0/16")};
  using words = std::vector<std::string>;
  CHECK(host.keeper->change(host.plan(), false).value()
        == words{"route 10.11.0.0/16 added"});
  CHECK(host.missing() == words{"10.10.0.0/16"});
  const auto before = everything();
  networks
    = {prefix("10.10.0.0/16"), prefix("10.13.0.0/16"), prefix("10.12.0.0/16")};
  const auto refused = host.keeper->change(host.plan(), false);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EEXIST);
  CHECK(everything() == before);
  run("ip link set weft7 down");
  networks = {prefix("10.10.0.0/16"), prefix("10.13.0.0/16")};
  CHECK(host.keeper->change(host.plan(), false).value()
        == words{"route 10.11.0.0/16 removed"});
  CHECK(host.keeper->put_back(may_all).failures.empty());
  CHECK(host.missing().empty());
}

TEST_CASE("All that was taken away is put back, and nothing else touched") {
  if (!can_make_networks())
    return;
  host host;
  host.peer.default_route = true;
  host.interface.kill_switch = true;
  REQUIRE(host.change());
  const auto before = everything();
  run(
    "ip addr flush dev weft7; ip route flush dev weft7; ip link set weft7 mtu "
    "1300; ip rule del priority "
    + std::to_string(host.keeper->place().priority) + "; ip -6 rule del "
    + "priority " + std::to_string(host.keeper->place().priority + 1)
    + "; ip route flush table " + std::to_string(host.keeper->place().table)
    + "; ip -6 route flush table "
    + std::to_string(host.keeper->place().table));
  CHECK(host.missing().size() == 10);
  const auto repair = host.keeper->put_back(may_all);
  CHECK(repair.failures.empty());
  CHECK(repair.put_back.size() == 10);
  CHECK(host.missing().empty());
  CHECK(everything() == before);
  CHECK(host.keeper->put_back(may_all).put_back.empty());
}

TEST_CASE("A network that came with an address has a route without it") {
  if (!can_make_networks())
    return;
  host host;
  host.interface.addresses = {prefix("10.10.0.1/16"), prefix("fd10::1/32")};
  host.interface.cluster_networks
    = {prefix("10.10.0.0/16"), prefix("fd10::/32")};
  REQUIRE(host.change());
  host.interface.addresses = {prefix("10.10.0.1/24"), prefix("fd10::1/64")};
  REQUIRE(host.change());
  CHECK(host.missing().empty());
  for (const auto* inside : {"10.10.77.1", "fd10:0:77::1"})
    CHECK(find_route(address(inside))->interface_index
          == host.tun.interface_index());
}

TEST_CASE("An MTU that is too small for IPv6 takes it away until both are put "
          "back") {
  if (!can_make_networks())
    return;
  host host;
  host.interface.cluster_networks.push_back(prefix("fd10::/32"));
  REQUIRE(host.change());
  run("ip link set weft7 mtu 1200");
  CHECK(host.missing().size() == 3);
  CHECK(host.keeper->put_back(may_all).failures.empty());
  CHECK(host.missing().empty());
}

TEST_CASE("What may not be put back is named") {
  if (!can_make_networks())
    return;
  host host;
  REQUIRE(host.change());
  run("ip link set weft7 down");
  const auto repair = host.keeper->put_back([](const host_need& need) {
    return !std::holds_alternative<link_is_up>(need);
  });
  CHECK(repair.refused == std::vector<host_need>{link_is_up{}});
  CHECK(repair.failures.empty());
  CHECK(succeeds("ip addr show dev weft7 | grep -q fd09::1/64"));
  const auto items = host.keeper->compare();
  REQUIRE(items);
  const auto link = std::ranges::find(*items, "link", &host_item::kind);
  REQUIRE(link != items->end());
  CHECK(link->found == "down");
  CHECK(host.keeper->put_back(may_all).failures.empty());
  CHECK(host.missing().empty());
}

TEST_CASE("A full tunnel leaves nothing, and nobody else's goes with it") {
  if (!can_make_networks())
    return;
  host host;
  run("ip rule add not fwmark 51820 lookup 51820; ip rule add lookup main "
      "suppress_prefixlength 0");
  const auto other_tun = tun_device::create("weft8").value();
  const auto bare = everything();
  auto other = host_keeper::open(other_tun.interface_index(), "weft8").value();
  host.peer.default_route = true;
  host.interface.kill_switch = true;
  const auto others_mark = other->find_mark();
  auto plan = make_plan({}, networks_of({}, std::vector{host.peer}),
                        {other->place(), 1420, others_mark.value()});
  REQUIRE(other->change(plan, true));
  const auto with_other = everything();
  const auto mark = host.keeper->find_mark();
  REQUIRE(mark);
  CHECK(*mark != *others_mark);
  const auto notes = host.keeper->change(host.plan(*mark), true);
  REQUIRE(notes);
  CHECK_THAT(notes->back(),
             Catch::Contains("another node leads all traffic")
               && Catch::Contains(std::to_string(other->place().table)));
  const auto same = host.keeper->change(host.plan(*mark), true);
  REQUIRE(same);
  CHECK(same->empty());
  CHECK(everything() != with_other);
  host.keeper.reset();
  run("ip link del weft7");
  CHECK(everything() == with_other);
  other.reset();
  run("ip link del weft8");
  CHECK(everything() == bare);
}

TEST_CASE("On an interface without IPv6, a full tunnel lets none leave") {
  if (!can_make_networks())
    return;
  host host;
  run("echo 1 > /proc/sys/net/ipv6/conf/weft7/disable_ipv6");
  run("ip -6 route add default dev lo");
  host.interface.addresses = {prefix("10.9.0.1/24")};
  host.peer.default_route = true;
  host.interface.kill_switch = GENERATE(false, true);
  const auto notes = host.change();
  INFO((notes ? "" : notes.error().message));
  REQUIRE(notes);
  CHECK_THAT(notes->back(), Catch::Contains("no IPv6"));
  CHECK(host.missing().empty());
  CHECK(find_route(address("203.0.113.1"))->interface_index
        == host.tun.interface_index());
  CHECK_FALSE(find_route(address("2001:db8::1")));
}

TEST_CASE(
  "Where IPv6 is off the interface has its IPv4, and that is said until "
  "IPv6 is on") {
  if (!can_make_networks())
    return;
  host host;
  run("echo 1 > /proc/sys/net/ipv6/conf/weft7/disable_ipv6");
  host.interface.addresses = {prefix("10.9.0.1/24"), prefix("fd00:9::1/64")};
  host.interface.cluster_networks
    = {prefix("10.9.0.0/16"), prefix("fd00:9::/48")};
  const auto notes = host.change();
  INFO((notes ? "" : notes.error().message));
  REQUIRE(notes);
  CHECK_THAT(notes->back(),
             Catch::StartsWith("interface: IPv6 is off on this host")
               && Catch::Contains("net.ipv6.conf.weft7.disable_ipv6=0"));
  CHECK(host.missing() == std::vector<std::string>{"on"});
  CHECK(find_route(address("10.9.7.1"))->interface_index
        == host.tun.interface_index());
  // Other changes go on, and take away what is not there.
  host.interface.cluster_networks = {prefix("10.9.0.0/16")};
  REQUIRE(host.change());
  run("echo 0 > /proc/sys/net/ipv6/conf/weft7/disable_ipv6");
  CHECK(host.keeper->put_back([](const auto&) { return true; }).failures
        == std::vector<std::string>{});
  CHECK(host.missing().empty());
}

TEST_CASE("What a node left behind that was killed is removed by the next") {
  if (!can_make_networks())
    return;
  host host;
  const auto bare = everything();
  host.peer.default_route = true;
  host.interface.kill_switch = true;
  REQUIRE(host.change());
  run("ip link del weft7");
  CHECK(everything() != bare);
  const auto killed = host.keeper.release(); // it does nothing any more
  CHECK(has_leftovers("weft7").value());
  CHECK_FALSE(has_leftovers("weft8").value());
  const auto next = host.open();
  CHECK_FALSE(has_leftovers("weft7").value());
  CHECK(next->leftovers().size() == 6);
  CHECK(next->find_mark() == choose_mark(next->place(), {}));
  CHECK(everything() == bare);
  const std::unique_ptr<host_keeper> end{killed};
  CHECK(next->leftovers().size() == 6);
}
