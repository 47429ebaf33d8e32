#include "actors/network/member_peers.hpp"

#include "actors/network/candidates.hpp"
#include "tests/actors/told_network.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr auto now = network_pki::now;

network_peer peer_at(const std::vector<std::string>& where) {
  network_peer peer;
  peer.name = "other";
  peer.key.bytes.fill(std::byte{9});
  peer.prefixes = {prefix("10.200.0.16/28")};
  for (const auto& each : where)
    peer.endpoints.push_back({at(each), endpoint_source::link});
  return peer;
}

std::string endpoint_in(const member_peers::patches& made) {
  REQUIRE(made.size() == 1);
  const auto* where = made.front().find(&peer_config::endpoint);
  return where != nullptr && *where ? to_string(**where) : "";
}

} // namespace

TEST_CASE("a peer's endpoints on a link of one's own come first") {
  const auto peer = peer_at({"192.0.2.1:1", "10.1.2.3:1", "192.0.2.1:1"});
  CHECK(order_candidates(peer.endpoints, {})
        == std::vector{at("192.0.2.1:1"), at("10.1.2.3:1")});
  const own_addresses own{{prefix("10.1.2.9/24")}, 1};
  CHECK(order_candidates(peer.endpoints, own)
        == std::vector{at("10.1.2.3:1"), at("192.0.2.1:1")});
}

TEST_CASE("a node does not take itself for a peer whose bridges are like its "
          "own") {
  const auto peer
    = peer_at({"172.17.0.1:51820", "192.0.2.1:51820", "10.1.2.3:51820"});
  const own_addresses own{{prefix("172.17.0.1/16"), prefix("10.1.2.9/24")},
                          51820};
  CHECK(order_candidates(peer.endpoints, own)
        == std::vector{at("10.1.2.3:51820"), at("192.0.2.1:51820")});
  // Another tunnel of this host may be meant, but is not tried first.
  const own_addresses other_port{own.links, 51821};
  CHECK(order_candidates(peer.endpoints, other_port)
        == std::vector{at("10.1.2.3:51820"), at("192.0.2.1:51820"),
                       at("172.17.0.1:51820")});
}

TEST_CASE("a peer that does not answer is tried at its endpoints in turn") {
  member_peers peers({}, {});
  const auto peer = peer_at({"192.0.2.1:1", "192.0.2.2:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  const auto made = peers.follow(added, {});
  CHECK(endpoint_in(made) == "192.0.2.1:1");
  CHECK(made.front().verb == peer_verb::put);
  CHECK(made.front().allowed_ips.size() == 1);
  CHECK(peers.try_next().empty());
  peers.fails(peer.key);
  CHECK(peers.has_failing());
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.2:1");
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.1:1");
  peers.is_up(peer.key);
  CHECK_FALSE(peers.has_failing());
  CHECK(peers.try_next().empty());
}

TEST_CASE("a session that works is left where it is") {
  member_peers peers({}, {});
  auto peer = peer_at({"192.0.2.1:1"});
  peers.was_up_before(peer.key);
  const std::vector<peer_change> added{peer_added{peer}};
  CHECK(endpoint_in(peers.follow(added, {})).empty());
  peer.endpoints = peer_at({"192.0.2.7:1"}).endpoints;
  const std::vector<peer_change> changed{peer_changed{peer}};
  CHECK(endpoint_in(peers.follow(changed, {})).empty());
  // Once it is lost, the newest list is what counts.
  peers.is_down(peer.key);
  peer.endpoints = peer_at({"192.0.2.8:1"}).endpoints;
  const std::vector<peer_change> moved{peer_changed{peer}};
  CHECK(endpoint_in(peers.follow(moved, {})) == "192.0.2.8:1");
}

TEST_CASE("a peer that moves while its session is up is tried at its new place "
          "once the session is lost") {
  const auto is_failing = GENERATE(false, true);
  member_peers peers({}, {});
  auto peer = peer_at({"192.0.2.1:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  CHECK(endpoint_in(peers.follow(added, {})) == "192.0.2.1:1");
  peers.is_up(peer.key);
  peer.endpoints = peer_at({"192.0.2.7:1"}).endpoints;
  const std::vector<peer_change> moved{peer_changed{peer}};
  CHECK(endpoint_in(peers.follow(moved, {})).empty());
  CHECK_FALSE(peers.has_failing());
  is_failing ? peers.fails(peer.key) : peers.is_down(peer.key);
  REQUIRE(peers.has_failing());
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.7:1");
  // There is no other.
  CHECK_FALSE(peers.has_failing());
  peers.fails(peer.key);
  CHECK_FALSE(peers.has_failing());
}

TEST_CASE("a peer that was heard from elsewhere and is lost there is tried at "
          "the place that it publishes") {
  member_peers peers({}, {});
  const auto peer = peer_at({"192.0.2.1:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  peers.follow(added, {});
  peers.is_up(peer.key);
  peers.is_down(peer.key); // nobody needs it: it stays where it was heard
  CHECK_FALSE(peers.has_failing());
  peers.fails(peer.key);
  REQUIRE(peers.has_failing());
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.1:1");
  CHECK_FALSE(peers.has_failing());
}

TEST_CASE("a peer that nobody needs any more is not tried at other endpoints") {
  member_peers peers({}, {});
  const auto peer = peer_at({"192.0.2.1:1", "192.0.2.2:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  peers.follow(added, {});
  peers.fails(peer.key);
  CHECK(peers.has_failing());
  peers.is_down(peer.key);
  CHECK_FALSE(peers.has_failing());
  // Nor one that is gone.
  peers.fails(peer.key);
  const std::vector<peer_change> gone{peer_removed{{}, peer.key}};
  peers.follow(gone, {});
  CHECK_FALSE(peers.has_failing());
}

TEST_CASE("a peer gets the key of the epoch that its record names") {
  network_id network;
  public_key own;
  own.bytes.fill(std::byte{1});
  preshared_epochs epochs;
  for (const std::uint64_t epoch : {1U, 2U})
    epochs.add(secret_of(epoch), now);
  member_peers peers(network, own);
  auto peer = peer_at({});
  const auto key_of = [&](std::uint64_t epoch) {
    return *epochs.key_of(epoch, network, own, peer.key);
  };
  for (const auto& [named, first, other] :
       {std::tuple{1, 1, 2}, std::tuple{2, 2, 1}, std::tuple{7, 2, 1}}) {
    peer.epoch = static_cast<std::uint64_t>(named);
    const std::vector<peer_change> added{peer_added{peer}};
    const auto made = peers.follow(added, epochs);
    REQUIRE(made.size() == 1);
    CHECK(*made.front().find(&peer_config::preshared_key)
          == key_of(static_cast<std::uint64_t>(first)));
    CHECK(made.front().other_preshared_keys
          == std::vector{key_of(static_cast<std::uint64_t>(other))});
  }
  CHECK(peers.rekey(epochs).size() == 1);
}
