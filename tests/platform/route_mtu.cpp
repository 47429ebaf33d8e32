#include "platform/route_mtu.hpp"

#include "tests/platform/forged_icmp.hpp"
#include "tests/platform/support.hpp"

#include <net/if.h>

using namespace weft;
using namespace weft::test;

TEST_CASE("The room of a route is its own MTU if it has one, else its link's") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add test0 mtu 1492 type veth peer name test1");
  run("ip link set test0 up && ip link set test1 up");
  add_address("192.0.2.1/24", "test0");
  add_address("2001:db8::1/64", "test0");
  run("ip route add 198.51.100.0/24 via 192.0.2.9 mtu 1400");
  run("ip -6 route add 2001:db8:9::/48 via 2001:db8::9 mtu 1300");
  auto finder = route_mtu_finder::open(0);
  REQUIRE(finder);
  const auto room = [&](const char* to) {
    const auto found = finder->find(address(to));
    return found ? found->mtu : 0;
  };
  CHECK(room("192.0.2.7") == 1492);
  CHECK(room("198.51.100.1") == 1400);
  CHECK(room("2001:db8::7") == 1492);
  CHECK(room("2001:db8:9::1") == 1300);
  CHECK_FALSE(finder->find(address("203.0.113.1")));
}

TEST_CASE("The routes of packets with a mark are asked for") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add test0 mtu 1500 type veth peer name test1");
  run("ip link set test0 up && ip link set test1 up");
  add_address("192.0.2.1/24", "test0");
  run("ip route add 198.51.100.0/24 via 192.0.2.9");
  run("ip route add table 7 198.51.100.0/24 via 192.0.2.9 mtu 1320");
  run("ip rule add fwmark 0x33 table 7");
  auto plain = route_mtu_finder::open(0);
  auto marked = route_mtu_finder::open(0x33);
  REQUIRE(plain);
  REQUIRE(marked);
  CHECK(plain->find(address("198.51.100.1"))->mtu == 1500);
  CHECK(marked->find(address("198.51.100.1"))->mtu == 1320);
}

TEST_CASE("What somebody says of a path does not narrow its route") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add test0 mtu 1500 type veth peer name test1");
  run("ip link set test0 up && ip link set test1 up");
  add_address("192.0.2.1/24", "test0");
  run("ip route add 198.51.100.0/24 via 192.0.2.9");
  udp_socket::options wanted;
  wanted.address = address("192.0.2.1");
  wanted.features.too_big = false; // then the kernel believes it
  const auto socket = udp_socket::open(wanted);
  REQUIRE(socket);
  const auto peer = *parse_endpoint("198.51.100.1:51820");
  claim_too_big({wanted.address, socket->port()}, peer, 1280);
  REQUIRE(succeeds("ip route get 198.51.100.1 | grep -q 'mtu 1280'"));
  auto finder = route_mtu_finder::open(0);
  REQUIRE(finder);
  CHECK(finder->find(peer.address)->mtu == 1500);
}

TEST_CASE("Of a route with several ways the first one's link counts") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add test0 mtu 1400 type veth peer name test1");
  run("ip link set test0 up && ip link set test1 mtu 1400 up");
  add_address("192.0.2.1/24", "test0");
  add_address("192.0.2.129/25", "test1");
  run("ip route add 198.51.100.0/24 nexthop via 192.0.2.9 dev test0 "
      "nexthop via 192.0.2.200 dev test1");
  auto finder = route_mtu_finder::open(0);
  REQUIRE(finder);
  const auto found = finder->find(address("198.51.100.1"));
  REQUIRE(found);
  CHECK(found->mtu == 1400);
  CHECK(found->interface_index == static_cast<int>(::if_nametoindex("test0")));
}
