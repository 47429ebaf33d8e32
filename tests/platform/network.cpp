#include "platform/network.hpp"

#include "tests/platform/support.hpp"

#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

using namespace weft;
using namespace weft::test;

namespace {

network_configurator configurator() {
  auto opened = network_configurator::open();
  REQUIRE(opened);
  return std::move(*opened);
}

int index_of(const std::string& name) {
  const auto index = ::if_nametoindex(name.c_str());
  REQUIRE(index != 0);
  return static_cast<int>(index);
}

/// A link to try things with, up.
int make_link(const std::string& name) {
  run("ip link add " + name + " type bridge && ip link set " + name + " up");
  return index_of(name);
}

link_monitor monitor(int index) {
  auto opened = link_monitor::open(index);
  REQUIRE(opened);
  return std::move(*opened);
}

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

} // namespace

TEST_CASE("an address is added with its connected route, once, and removed") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto* text = GENERATE("10.7.0.1/24", "fd07::1/64");
  const auto link = make_link("link0");
  auto network = configurator();
  const auto what = prefix(text);
  CHECK(network.add_address(link, what) == true);
  CHECK(network.add_address(link, what) == false); // it was there
  const auto family = std::string{what.address.is_v4() ? "-4" : "-6"};
  const auto shows_address
    = "ip " + family + " addr show link0 | grep -qF '" + text + "'";
  const auto shows_route = "ip " + family + " route show dev link0 | grep -qF '"
                           + to_string(what.network()) + "'";
  CHECK(succeeds(shows_address));
  CHECK(succeeds(shows_route));
  // The same network as a route of its own is there already.
  CHECK(network.add_route(link, {what.network()}));
  // And it belongs to the address.
  CHECK(network.remove_route(link, {what.network()}));
  CHECK(succeeds(shows_route));
  CHECK(network.remove_address(link, what));
  CHECK(network.remove_address(link, what));
  CHECK_FALSE(succeeds(shows_address));
}

TEST_CASE("a route leads into its interface, once, and is removed") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto* text = GENERATE("10.8.0.0/16", "fd08::/48", "0.0.0.0/0", "::/0",
                              "10.8.1.1/32", "10.8.77.1/16");
  const auto link = make_link("link0");
  auto network = configurator();
  const auto what = prefix(text);
  CHECK(network.add_route(link, {what.network()}));
  CHECK(network.add_route(link, {what.network()}));
  auto inside = what.network().address;
  if (what.length == 0)
    inside = address(inside.is_v4() ? "9.9.9.9" : "2001:db8::9");
  const auto found = find_route(inside);
  REQUIRE(found);
  CHECK(found->interface_index == link);
  CHECK(network.remove_route(link, {what.network()}));
  CHECK(network.remove_route(link, {what.network()}));
  CHECK_FALSE(find_route(inside));
}

TEST_CASE("a route that leads elsewhere is an error, and stays") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto* text = GENERATE("10.8.0.0/16", "fd08::/48");
  const auto first = make_link("link0");
  const auto second = make_link("link1");
  auto network = configurator();
  REQUIRE(network.add_route(first, {prefix(text)}));
  const auto added = network.add_route(second, {prefix(text)});
  REQUIRE_FALSE(added);
  CHECK(added.error().code == EEXIST);
  CHECK_THAT(added.error().message, Catch::Contains(text)
                                      && Catch::Contains("link1")
                                      && Catch::Contains("another interface"));
  CHECK(find_route(prefix(text).address)->interface_index == first);
}

TEST_CASE("an interface's MTU and state are set, and read back") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto link = make_link("link0");
  auto network = configurator();
  REQUIRE(network.set_mtu(link, 1380));
  CHECK(network.link(link)->mtu == 1380U);
  REQUIRE(network.set_up(link, false));
  CHECK_FALSE(network.link(link)->up);
  CHECK_FALSE(succeeds("ip link show link0 | grep -q '[<,]UP[,>]'"));
  REQUIRE(network.set_up(link, true));
  REQUIRE(network.set_up(link, true));
  CHECK(succeeds("ip link show link0 | grep -q '[<,]UP[,>]'"));
}

TEST_CASE("errors of the network name the address, the interface and the "
          "reason") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto link = make_link("link0");
  auto network = configurator();
  auto done = network.set_mtu(link, 70000);
  REQUIRE_FALSE(done);
  CHECK_THAT(done.error().message,
             Catch::Contains("link0") && Catch::Contains("70000")
               && Catch::Contains("(")); // with the kernel's explanation
  auto added = network.add_address(4711, prefix("10.7.0.1/24"));
  REQUIRE_FALSE(added);
  CHECK(added.error().code == ENODEV);
  CHECK_THAT(added.error().message,
             Catch::Contains("10.7.0.1/24") && Catch::Contains("4711"));
  REQUIRE(network.set_up(link, false));
  added = network.add_route(link, {prefix("10.8.0.0/16")});
  REQUIRE_FALSE(added);
  CHECK_THAT(added.error().message,
             Catch::Contains("10.8.0.0/16") && Catch::Contains("link0"));
  CHECK_FALSE(network.link(4711));
}

TEST_CASE(
  "whether packets go into a tunnel of this host is found out, with the "
  "firewall mark and without a source that is gone") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  make_link("link0");
  run("ip addr add 10.7.0.1/24 dev link0");
  run("ip tuntap add mode tun tun0");
  run("ip addr add 10.8.0.1/24 dev tun0");
  run("ip link set tun0 up");
  const auto outside = address("10.7.0.2");
  const auto inside = address("10.8.0.2");
  CHECK(leads_into_tunnel(outside, {}, 0) == false);
  CHECK(leads_into_tunnel(inside, {}, 0) == true);
  CHECK(leads_into_tunnel(inside, address("10.8.0.1"), 0) == true);
  CHECK(leads_into_tunnel(inside, address("192.0.2.1"), 0) == true);
  CHECK(leads_into_tunnel(address("203.0.113.1"), {}, 0) == false);
  run("ip rule add fwmark 7 table 99");
  run("ip route add 10.7.0.2 dev tun0 table 99");
  CHECK(leads_into_tunnel(outside, {}, 6) == false);
  CHECK(leads_into_tunnel(outside, {}, 7) == true);
}

TEST_CASE("the route to an address says where from and through which "
          "interface, and heeds the firewall mark") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto first = make_link("link0");
  const auto second = make_link("link1");
  auto network = configurator();
  REQUIRE(network.add_address(first, prefix("10.7.0.1/24")));
  REQUIRE(network.add_address(second, prefix("10.8.0.1/24")));
  run("ip route add 10.9.0.0/16 via 10.7.0.2");
  run("ip rule add fwmark 7 table 99");
  run("ip route add 10.9.0.0/16 via 10.8.0.2 table 99");
  const auto destination = address("10.9.1.1");
  auto found = find_route(destination);
  REQUIRE(found);
  CHECK(found->interface_index == first);
  CHECK(found->source == address("10.7.0.1"));
  found = find_route(destination, {}, 7);
  REQUIRE(found);
  CHECK(found->interface_index == second);
  CHECK(found->source == address("10.8.0.1"));
  CHECK(find_route(destination, address("10.8.0.1")));
  CHECK_FALSE(find_route(destination, address("192.0.2.1")));
  const auto none = find_route(address("2001:db8::1"));
  REQUIRE_FALSE(none);
  CHECK_THAT(none.error().message, Catch::Contains("2001:db8::1"));
}

TEST_CASE("a local address is right as long as it is one and its datagrams "
          "leave by the interface that the peer's came in by") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto first = make_link("link0");
  const auto second = make_link("link1");
  auto network = configurator();
  for (const auto* text : {"10.7.0.1/24", "10.7.0.11/24"})
    REQUIRE(network.add_address(first, prefix(text)));
  REQUIRE(network.add_address(second, prefix("10.8.0.1/24")));
  run("ip rule add fwmark 7 table 99");
  run("ip route add 10.7.0.0/24 dev link1 table 99");
  const auto holds
    = [](const char* local, int interface, std::uint32_t mark = 0) {
        network_path path{{address("10.7.0.2"), 1, 0}, source_address{}};
        path.local->address = address(local);
        path.local->interface_index = static_cast<std::uint32_t>(interface);
        return source_holds(path, mark);
      };
  CHECK(holds("10.7.0.1", first));
  CHECK(holds("10.7.0.11", first));
  CHECK(holds("10.7.0.11", 0)); // it is not known
  CHECK(holds("10.8.0.1", first));
  CHECK_FALSE(holds("10.7.0.1", second));
  CHECK_FALSE(holds("10.7.0.1", first, 7));
  CHECK(holds("10.7.0.1", second, 7));
  run("ip addr del 10.7.0.11/24 dev link0");
  CHECK_FALSE(holds("10.7.0.11", first));
}

TEST_CASE("changes of routes, rules and addresses are noticed") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  make_link("link0");
  auto changes = route_monitor::open();
  REQUIRE(changes);
  changes->read();
  const auto* command = GENERATE("ip route add 10.8.0.0/16 dev link0",
                                 "ip -6 route add fd08::/48 dev link0",
                                 "ip addr add 10.7.0.1/24 dev link0",
                                 "ip rule add fwmark 7 table 99",
                                 "ip -6 rule add fwmark 7 table 99");
  INFO(command);
  run(command);
  CHECK(await_readable(changes->descriptor()));
  CHECK(changes->read());
}

TEST_CASE("a monitor tells of a link's MTU, of up and down, and of its end") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto link = make_link("link0");
  const auto other = make_link("link1");
  auto events = monitor(link);
  CHECK(events.is_up());
  auto network = configurator();
  REQUIRE(network.set_mtu(link, 1400));
  REQUIRE(network.set_mtu(other, 1300));
  REQUIRE(await_readable(events.descriptor()));
  auto got = events.read();
  REQUIRE(got.size() == 1);
  CHECK(got[0].what == link_event::kind::mtu_changed);
  CHECK(got[0].mtu == 1400);
  CHECK(events.mtu() == 1400);

  REQUIRE(network.set_up(link, false));
  got = events.read();
  REQUIRE(got.size() == 1);
  CHECK(got[0].what == link_event::kind::down);
  REQUIRE(network.set_up(link, true));
  got = events.read();
  REQUIRE(got.size() == 1);
  CHECK(got[0].what == link_event::kind::up);
  CHECK(events.is_up());
  CHECK(events.read().empty());

  run("ip link del link0");
  std::size_t removals = 0;
  for (const auto& event : events.read())
    removals += event.what == link_event::kind::removed ? 1U : 0U;
  CHECK(removals == 1);
  CHECK_FALSE(readable(events.descriptor()));
}

TEST_CASE("a link that a bridge lets go of is not taken for removed") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  make_link("bridge0");
  run("ip link add link0 type veth peer name link1");
  run("ip link set link0 master bridge0 up");
  auto events = monitor(index_of("link0"));
  run("ip link set link0 nomaster");
  for (const auto& event : events.read())
    CHECK(event.what != link_event::kind::removed);
}

TEST_CASE("a monitor whose messages were lost reads the link's state") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto link = make_link("link0");
  auto events = monitor(link);
  const int tiny = 1;
  REQUIRE(
    ::setsockopt(events.descriptor(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny)
    == 0);
  auto network = configurator();
  for (std::uint32_t mtu = 1300; mtu <= 1400; ++mtu)
    REQUIRE(network.set_mtu(link, mtu));
  SECTION("when it changed") {
    const auto got = events.read();
    REQUIRE_FALSE(got.empty());
    CHECK(got.size() < 100);
    CHECK(got.back().what == link_event::kind::mtu_changed);
    CHECK(got.back().mtu == 1400);
  }
  SECTION("when it was removed") {
    run("ip link del link0");
    const auto got = events.read();
    REQUIRE_FALSE(got.empty());
    CHECK(got.back().what == link_event::kind::removed);
  }
}

TEST_CASE("a TUN device that is moved can be watched where it went") {
  if (!can_make_networks())
    return;
  const network_namespace inside;
  const network_namespace here;
  const auto tun = tun_device::create("weft0");
  REQUIRE(tun);
  auto events = link_monitor::open(*tun);
  REQUIRE(events);
  move_link(tun->interface_index(), inside.descriptor());
  const auto got = events->read();
  REQUIRE_FALSE(got.empty());
  CHECK(got.back().what == link_event::kind::removed);
  REQUIRE(tun->still_exists());
  inside.visit([] { run("ip link set weft0 mtu 1300"); });

  events = link_monitor::open(*tun);
  REQUIRE(events);
  CHECK(events->mtu() == 1300);
  CHECK_FALSE(events->is_up());
  inside.visit([] { run("ip link set weft0 mtu 1350 up"); });
  bool up = false;
  for (const auto& event : events->read())
    up = up || event.what == link_event::kind::up;
  CHECK(up);
  CHECK(events->mtu() == 1350);
  inside.visit([] { run("ip link del weft0"); });
  bool removed = false;
  for (const auto& event : events->read())
    removed = removed || event.what == link_event::kind::removed;
  CHECK(removed);
  CHECK_FALSE(tun->still_exists());
}

TEST_CASE("a link that does not exist cannot be watched") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto opened = link_monitor::open(4711);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ENODEV);
  CHECK_THAT(opened.error().message, Catch::Contains("4711"));
}
