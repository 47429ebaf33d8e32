// What is no mistake, but hardly what was meant.
#include "config/warnings.hpp"

#include "config/yaml_places.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

/// A spoke of a hub that all is well with.
node_config good() {
  node_config config;
  config.interface.addresses = {prefix("10.0.0.2/24"), prefix("fd00::2/64")};
  config.interface.cluster_networks = {prefix("10.0.0.0/8")};
  auto& hub = config.peers.emplace_back();
  hub.endpoint = *parse_endpoint("192.0.2.1:51820");
  hub.allowed_ips
    = {prefix("10.0.0.0/24"), prefix("10.9.0.0/16"), prefix("fd00::1/128")};
  return config;
}

/// `FIELD: message` of the one warning after an edit; empty: none.
template <class Edit>
std::string warning(Edit edit) {
  auto config = good();
  edit(config);
  const auto found = find_warnings(config);
  if (found.empty())
    return {};
  CHECK(found.size() == 1);
  return found.front().field + ": " + found.front().message;
}

text_place place_in(std::string_view text, std::string_view field) {
  const auto tree = yaml_tree::parse(text);
  REQUIRE(tree);
  return place_of(*tree, field);
}

} // namespace

TEST_CASE("A configuration that means what it says is not warned of") {
  CHECK(warning([](node_config&) {}).empty());
  CHECK(find_warnings({}).empty());
}

TEST_CASE("An endpoint that is routed into its own tunnel is warned of") {
  const auto with = [](const char* endpoint) {
    return warning([=](node_config& config) {
      config.peers[0].endpoint = *parse_endpoint(endpoint);
    });
  };
  CHECK_THAT(with("10.200.0.1:51820"),
             Contains("peers[0].endpoint: 10.200.0.1 lies in 10.0.0.0/8"));
  CHECK_THAT(with("[fd00::9]:51820"), Contains("lies in fd00::/64"));
  CHECK(with("11.0.0.1:51820").empty());
  CHECK(warning([](node_config& config) {
          config.peers[0].endpoint = host_endpoint{"beta.example.net", 1};
        }).empty());
}

TEST_CASE("Allowed IPs that no route leads to are warned of") {
  const auto with = [](const char* allowed) {
    return warning([=](node_config& config) {
      config.peers[0].allowed_ips = {prefix("10.1.0.0/16"), prefix(allowed)};
    });
  };
  CHECK(with("172.16.0.0/12")
        == "peers[0].allowed_ips[1]: no route leads to 172.16.0.0/12: add it "
           "to interface.cluster_networks");
  CHECK_THAT(with("fd01::/64"), Contains("no route leads to fd01::/64"));
  CHECK_THAT(with("8.0.0.0/5"),
             Contains("of 8.0.0.0/5 a route leads to 10.0.0.0/8 only"));
  // A gateway to the Internet, from which some networks are wanted.
  CHECK(with("0.0.0.0/0").empty());
  CHECK(with("fd00::/64").empty());
}

TEST_CASE("Several routes may lead to a prefix together") {
  interface_config interface;
  interface.cluster_networks
    = {prefix("10.0.0.0/9"), prefix("10.128.0.0/10"), prefix("10.192.0.0/10"),
       prefix("::/1"), prefix("8000::/1")};
  const std::vector all{prefix("10.0.0.0/8"), prefix("::/0")};
  CHECK(find_unrouted(interface, all).empty());
  interface.cluster_networks.erase(interface.cluster_networks.begin());
  CHECK(find_unrouted(interface, all).size() == 1);
}

TEST_CASE("A peer with this node's own address is warned of, a hub is not") {
  const auto with = [](const char* allowed) {
    return warning([=](node_config& config) {
      config.peers[0].allowed_ips = {prefix(allowed)};
    });
  };
  CHECK_THAT(with("10.0.0.2/32"),
             Contains("peers[0].allowed_ips[0]: 10.0.0.2/32 holds 10.0.0.2"));
  CHECK_THAT(with("10.0.0.0/30"), Contains("this node's own address"));
  CHECK_THAT(with("fd00::2/128"), Contains("this node's own address"));
  CHECK(with("10.0.0.0/24").empty());
  CHECK(with("10.0.0.3/32").empty());
  CHECK_FALSE(warning([](node_config& config) {
                config.interface.addresses = {prefix("10.7.0.1/32")};
                config.peers[0].allowed_ips = {prefix("10.7.0.1/32")};
              }).empty());
}

TEST_CASE("Addresses that no node can have are warned of") {
  const auto with = [](const char* address) {
    return warning([=](node_config& config) {
      config.interface.addresses.push_back(prefix(address));
      config.interface.cluster_networks.push_back(prefix(address).network());
    });
  };
  CHECK_THAT(with("224.0.0.1/24"), Contains("interface.addresses[2]: 224.0.0.1 "
                                            "is a multicast address"));
  CHECK_THAT(with("ff02::1/16"), Contains("a multicast address"));
  CHECK_THAT(with("127.0.0.5/8"), Contains("a loopback address"));
  CHECK_THAT(with("::1/128"), Contains("a loopback address"));
  CHECK_THAT(with("0.0.0.0/24"), Contains("an address of no host"));
  CHECK_THAT(with("::/64"), Contains("an address of no host"));
}

TEST_CASE("A default route says what does the same") {
  for (const auto* all : {"0.0.0.0/0", "::/0"})
    CHECK_THAT(warning([=](node_config& config) {
                 config.peers.clear();
                 config.interface.cluster_networks = {prefix(all)};
               }),
               Contains("interface.cluster_networks[0]: ")
                 && Contains("default_route: true"));
}

TEST_CASE("Allowed IPs that routes lead to by themselves are not warned of") {
  const auto with = [](auto edit) {
    return warning([=](node_config& config) {
      config.peers[0].allowed_ips = {prefix("172.16.0.0/12")};
      edit(config);
    });
  };
  CHECK(with([](node_config& config) {
          config.interface.routes = route_mode::automatic;
        }).empty());
  CHECK(with([](node_config& config) {
          config.peers[0].default_route = true;
        }).empty());
}

TEST_CASE("An endpoint in what is routed by itself is warned of, but not for "
          "a default route") {
  const auto with = [](const char* allowed) {
    return warning([=](node_config& config) {
      config.interface.routes = route_mode::automatic;
      config.peers[0].allowed_ips = {prefix(allowed)};
    });
  };
  CHECK_THAT(with("192.0.2.0/24"),
             Contains("peers[0].endpoint: 192.0.2.1 lies in 192.0.2.0/24"));
  CHECK(with("0.0.0.0/0").empty());
}

TEST_CASE("An MTU that is too small for what peers have of IPv6 is warned of") {
  CHECK_THAT(warning([](node_config& config) {
               config.interface.mtu = 1200;
               config.interface.addresses = {prefix("10.0.0.2/24")};
               config.peers[0].allowed_ips.pop_back();
               config.peers[0].default_route = true;
             }),
             Contains("interface.mtu: 1200 is too small for IPv6"));
}

TEST_CASE("A default route in a table of the operator's is warned of") {
  CHECK_THAT(warning([](node_config& config) {
               config.interface.table = 1234;
               config.peers[0].default_route = true;
             }),
             Contains("peers[0].default_route: ") && Contains("table 1234"));
}

TEST_CASE("A default route in the main table is warned of") {
  CHECK_THAT(warning([](node_config& config) {
               config.interface.table = 254;
               config.peers[0].default_route = true;
             }),
             Contains("peers[0].default_route: ")
               && Contains("leave that key out"));
}

TEST_CASE("A full tunnel of one family is warned of, but with a lock") {
  const auto with = [](bool locked) {
    return warning([=](node_config& config) {
      config.interface.kill_switch = locked;
      config.peers[0].default_route = true;
      config.peers[0].allowed_ips.push_back(prefix("0.0.0.0/0"));
    });
  };
  CHECK_THAT(with(false), Contains("peers[0].allowed_ips: IPv4 alone")
                            && Contains("add ::/0"));
  CHECK(with(true).empty());
}

TEST_CASE("Directories that a lock lets nobody reach are warned of") {
  const auto with = [](const char* host) {
    return warning([=](node_config& config) {
      config.interface.kill_switch = true;
      config.interface.kill_switch_allow = {prefix("192.0.2.0/24")};
      config.peers[0].default_route = true;
      config.network.directories = {{host, 51821}};
    });
  };
  CHECK(with("192.0.2.9").empty());
  for (const auto* host : {"198.51.100.1", "directory.example.net"})
    CHECK_THAT(with(host), Contains("network.directories[0]: ")
                             && Contains(host)
                             && Contains("interface.kill_switch_allow"));
}

TEST_CASE("Metrics that others than this host can read are warned of") {
  CHECK_THAT(warning([](node_config& config) {
               config.metrics.listen = *parse_endpoint("10.0.0.2:9586");
             }),
             Contains("metrics.listen: ") && Contains("10.0.0.2:9586"));
  CHECK(warning([](node_config& config) {
          config.metrics.listen = *parse_endpoint("127.0.0.1:9586");
        }).empty());
}

TEST_CASE("A field has the place of its value, or of what is around it") {
  const auto* text = "interface:\n"
                     "  mtu: 1420\n"
                     "peers:\n"
                     "  - name: a\n"
                     "  - allowed_ips: [10.0.0.0/8, fd00::/8]\n"
                     "    endpoint: x\n"
                     "  - allowed_ips: 10.1.0.0/16, 10.2.0.0/16\n";
  CHECK(place_in(text, "interface.mtu") == text_place{2, 8});
  CHECK(place_in(text, "peers[1].endpoint") == text_place{6, 15});
  CHECK(place_in(text, "peers[1].allowed_ips[1]") == text_place{5, 31});
  CHECK(place_in(text, "peers[2].allowed_ips[1]") == text_place{7, 18});
  CHECK(place_in(text, "peers[1].name") == place_in(text, "peers[1]"));
  CHECK(place_in(text, "peers[9].name") == place_in(text, "peers"));
  CHECK(place_in(text, "control.ca") == text_place{1, 1});
  CHECK(place_in("", "interface") == text_place{});
}

TEST_CASE("A lock that lets out everything, or nothing in, is warned of") {
  const auto locked = [](std::vector<ip_prefix> allowed, bool led) {
    return warning([&](node_config& config) {
      config.interface.kill_switch = true;
      config.interface.kill_switch_allow = std::move(allowed);
      config.peers[0].default_route = led;
    });
  };
  CHECK(locked({prefix("192.168.0.0/16")}, true).empty());
  CHECK_THAT(locked({}, false),
             Contains("interface.kill_switch: ") && Contains("cut off"));
  CHECK_THAT(locked({prefix("10.0.0.0/8"), prefix("0.0.0.0/0")}, true),
             Contains("interface.kill_switch_allow[1]: 0.0.0.0/0 lets"));
  CHECK_THAT(warning([](node_config& config) {
               config.interface.kill_switch_allow = {prefix("10.0.0.0/8")};
             }),
             Contains("without kill_switch"));
}
