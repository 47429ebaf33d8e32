#include "config/full_tunnel.hpp"

#include "config/peer_networks.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// "46", "4", "6" or "".
std::string families(const node_config& config) {
  const auto whole = full_tunnel_of(config);
  return std::string{whole.v4 ? "4" : ""} + (whole.v6 ? "6" : "");
}

node_config with(const std::vector<std::string>& allowed) {
  node_config config;
  config.peers.resize(2);
  for (const auto& text : allowed)
    config.peers[1].allowed_ips.push_back(prefix(text));
  return config;
}

} // namespace

TEST_CASE("A peer's default route is for the families that it may send") {
  for (const auto& [allowed, expected] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
         {{}, "46"},
         {{"10.0.0.0/8"}, "46"},
         {{"0.0.0.0/0"}, "4"},
         {{"10.0.0.0/8", "::/0"}, "6"},
         {{"0.0.0.0/0", "::/0"}, "46"}}) {
    auto config = with(allowed);
    CHECK(families(config).empty());
    config.peers[1].default_route = true;
    CHECK(families(config) == expected);
  }
}

TEST_CASE("Allowed IPs of length 0 are a full tunnel if all are routed") {
  auto config = with({"::/0"});
  config.interface.routes = route_mode::automatic;
  CHECK(families(config) == "6");
  config.interface.table = 77; // then they are routes like any other
  config.peers[1].default_route = true;
  CHECK(families(config).empty());
  CHECK(families(with({"10.0.0.0/8"})).empty());
}

TEST_CASE("What peers ask of the host changes with their allowed IPs, their "
          "default route, and their end, and with nothing else") {
  patch<peer_config> change;
  change.set(&peer_config::persistent_keepalive, std::chrono::seconds{25});
  change.set(&peer_config::endpoint, endpoint_config{endpoint{}});
  CHECK_FALSE(may_change_networks(change));
  auto other = change;
  other.set(&peer_config::default_route, false);
  CHECK(may_change_networks(other));
  other = change;
  other.allowed_ips.push_back({everything(ip_family::v4)});
  CHECK(may_change_networks(other));
  other = change;
  other.replace_allowed_ips = true;
  CHECK(may_change_networks(other));
  other = change;
  other.verb = peer_verb::remove;
  CHECK(may_change_networks(other));
}
