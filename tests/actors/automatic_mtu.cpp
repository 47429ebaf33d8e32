#include "actors/host/automatic_mtu.hpp"

#include "tests/catch.hpp"

#include <map>

using namespace weft;

namespace {

ip_address address(const char* text) {
  return *parse_ip_address(text);
}

/// Routes as they are told here; those that are missing lead nowhere.
std::optional<chosen_mtu>
chosen(const std::map<ip_address, std::uint32_t>& routes,
       bool has_ipv6 = true) {
  std::vector<ip_address> peers{address("203.0.113.99")}; // without a route
  for (const auto& [peer, room] : routes)
    peers.push_back(peer);
  return choose_mtu(peers, has_ipv6,
                    [&](const ip_address& to) -> std::optional<std::uint32_t> {
                      const auto found = routes.find(to);
                      if (found == routes.end())
                        return std::nullopt;
                      return found->second;
                    });
}

const auto near = address("192.0.2.1");
const auto far = address("2001:db8::1");

} // namespace

TEST_CASE("An automatic MTU is the smallest route's, less 80") {
  CHECK(chosen({{near, 1500}})->mtu == 1420);
  CHECK(chosen({{near, 1500}, {far, 1492}})->mtu == 1412);
  CHECK(chosen({{near, 9000}})->mtu == 8920);
  CHECK(chosen({{near, 1500}, {far, 1492}})->reason
        == "the route to 2001:db8::1 has 1492");
}

TEST_CASE("It leaves room for IPv6 where there is IPv6") {
  CHECK(chosen({{near, 1300}})->mtu == 1280);
  CHECK(chosen({{near, 1300}}, false)->mtu == 1220);
  CHECK(chosen({{near, 60}}, false)->mtu == 576);
}

TEST_CASE("IPv6 is in the tunnel by addresses, and by what is led there") {
  const auto carries
    = [](const char* own, const char* cluster, const char* allowed,
         bool has_default_route, route_mode routes) {
        interface_config config;
        config.routes = routes;
        config.addresses = {*parse_ip_prefix(own)};
        config.cluster_networks = {*parse_ip_prefix(cluster)};
        std::vector<peer_config> peers(2);
        peers[1].allowed_ips = {*parse_ip_prefix(allowed)};
        peers[1].default_route = has_default_route;
        return carries_ipv6(config, networks_of(config, peers));
      };
  const auto manual = route_mode::manual;
  const auto automatic = route_mode::automatic;
  const auto* const v4 = "10.0.0.0/8";
  const auto* const v6 = "fd00::/64";
  CHECK_FALSE(carries(v4, v4, v4, false, automatic));
  CHECK(carries(v6, v4, v4, false, manual));
  CHECK(carries(v4, v6, v4, false, manual));
  CHECK_FALSE(carries(v4, v4, v6, false, manual));
  CHECK(carries(v4, v4, v6, false, automatic));
  CHECK_FALSE(carries(v4, v4, "::/0", false, manual));
  CHECK(carries(v4, v4, "::/0", false, automatic));
  CHECK(carries(v4, v4, "::/0", true, manual));
  CHECK(carries(v4, v4, v4, true, manual)); // of both families
  CHECK_FALSE(carries(v4, v4, "0.0.0.0/0", true, manual));
}

TEST_CASE("It is no more than there can be") {
  CHECK(chosen({{near, 4'000'000'000}})->mtu == 65535);
}

TEST_CASE(
  "Without a route to any peer nothing is chosen: what there was stays") {
  CHECK_FALSE(chosen({}));
  CHECK_FALSE(choose_mtu({}, true, [](const auto&) { return 9000U; }));
  CHECK(chosen_mtu{}.mtu == 1420); // to begin with
}

TEST_CASE("Of the configured endpoints those count that are addresses") {
  node_config config;
  config.peers.resize(3);
  config.peers[0].endpoint = *parse_endpoint("192.0.2.1:7");
  config.peers[1].endpoint = host_endpoint{"beta.example.net", 7};
  CHECK(configured_addresses(config) == std::vector{near});
}
