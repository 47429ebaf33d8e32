#include "config/assurance.hpp"

#include "config/difference.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;

namespace {

std::string missing(const node_config& from, const node_config& to) {
  const auto found = missing_assurance(from, to);
  if (!found)
    return "";
  for (const auto* way : {"--yes", "--confirm", "weft confirm"})
    CHECK(found->message.find(way) != std::string::npos);
  return found->field;
}

} // namespace

TEST_CASE("Who sends the whole traffic another way has to be sure of it") {
  node_config plain;
  plain.peers.resize(2);
  auto locked = plain;
  locked.interface.kill_switch = true;
  auto led = plain;
  led.peers[1].default_route = true;
  CHECK(missing(plain, locked) == "interface.kill_switch");
  CHECK(missing(plain, led) == "peers.default_route");
  CHECK(missing(locked, plain).empty());
  CHECK(missing(led, plain).empty());
  CHECK(missing(locked, locked).empty());
  auto elsewhere = plain;
  elsewhere.peers[0].default_route = true;
  CHECK(missing(led, elsewhere).empty());
  auto routed = plain;
  routed.peers[0].allowed_ips.push_back({{ip_family::v4, {}}, 0});
  CHECK(missing(plain, routed).empty());
  routed.interface.routes = route_mode::automatic;
  CHECK(missing(plain, routed) == "peers.default_route");
}

TEST_CASE("Two halves are the whole traffic, too") {
  node_config plain;
  plain.peers.resize(2);
  auto allowed = plain;
  allowed.peers[1].allowed_ips = {prefix("10.0.0.0/8"), prefix("128.0.0.0/1")};
  CHECK(missing(plain, allowed).empty()); // no route leads there
  allowed.interface.routes = route_mode::automatic;
  CHECK(missing(plain, allowed) == "peers.allowed_ips");
  auto led = plain;
  led.interface.cluster_networks = {prefix("8000::/1")};
  CHECK(missing(plain, led) == "interface.cluster_networks");
  CHECK(missing(led, allowed).empty());
  led.interface.table = 77;
  CHECK(missing(plain, led).empty());
  led.interface.table = 0;
  led.interface.cluster_networks = {prefix("128.0.0.0/2")};
  CHECK(missing(plain, led).empty());
}

TEST_CASE("Of a peer, what leads all traffic may need assurance") {
  patch<peer_config> change;
  CHECK_FALSE(may_need_assurance(change));
  change.set(&peer_config::name, "exit");
  change.allowed_ips
    = {{prefix("10.0.0.0/8"), false}, {prefix("0.0.0.0/0"), true}};
  CHECK_FALSE(may_need_assurance(change));
  change.allowed_ips.push_back({prefix("128.0.0.0/1"), false});
  CHECK(may_need_assurance(change));
  change.allowed_ips.clear();
  change.set(&peer_config::default_route, true);
  CHECK(may_need_assurance(change));
  change.set(&peer_config::default_route, false);
  CHECK_FALSE(may_need_assurance(change));
  // One that is added states all, and weighing it costs a look at all peers.
  peer_config added;
  CHECK_FALSE(may_need_assurance(replacement_of(added)));
  added.default_route = true;
  CHECK(may_need_assurance(replacement_of(added)));
}
