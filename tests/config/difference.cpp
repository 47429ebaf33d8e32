#include "config/difference.hpp"

#include "support.hpp"
#include "tests/catch.hpp"

#include <map>

using namespace weft;
using namespace weft::test;

namespace {

peer_config peer(unsigned n, std::vector<ip_prefix> allowed_ips = {}) {
  peer_config made;
  made.public_key = public_of(n);
  made.allowed_ips = std::move(allowed_ips);
  return made;
}

node_config node(std::vector<peer_config> peers) {
  node_config made;
  made.interface.private_key = key(8);
  made.peers = std::move(peers);
  return made;
}

/// A device as the kernel's: each prefix has one owner.
struct model {
  std::map<public_key, peer_config> peers;
  std::map<ip_prefix, public_key> owners;

  void forget(const public_key& key) {
    std::erase_if(owners, [&](const auto& own) { return own.second == key; });
  }

  void apply(const patch<peer_config>& update) {
    if (update.verb == peer_verb::remove) {
      forget(update.public_key);
      peers.erase(update.public_key);
      return;
    }
    if (update.verb == peer_verb::update && !peers.contains(update.public_key))
      return;
    auto& peer = peers[update.public_key];
    peer.public_key = update.public_key;
    update.apply_to(peer);
    if (update.replace_allowed_ips)
      forget(update.public_key);
    for (const auto& change : update.allowed_ips) {
      if (!change.remove)
        owners[change.prefix] = update.public_key;
      else if (owners.contains(change.prefix)
               && owners[change.prefix] == update.public_key)
        owners.erase(change.prefix);
    }
  }

  void apply(const device_update& update) {
    for (const auto& peer : update.peers)
      apply(peer);
  }

  std::map<public_key, peer_config> state() const {
    auto all = peers;
    for (auto& [key, peer] : all)
      peer.allowed_ips.clear();
    for (const auto& [prefix, key] : owners)
      all.at(key).allowed_ips.push_back(prefix);
    return all;
  }
};

/// The state of a device that was set up with `config` alone.
model set_up(const node_config& config) {
  model device;
  device.apply(difference(node({}), config));
  return device;
}

} // namespace

TEST_CASE("Equal configurations have no difference") {
  const auto config
    = node({peer(1, {prefix("10.0.0.0/8"), prefix("::/0")}), peer(2)});
  CHECK(difference(config, config) == device_update{});
  auto shuffled = config;
  std::swap(shuffled.peers[0], shuffled.peers[1]);
  std::swap(shuffled.peers[1].allowed_ips[0], shuffled.peers[1].allowed_ips[1]);
  CHECK(difference(config, shuffled) == device_update{});
}

TEST_CASE("What changed of the device itself is in the difference alone") {
  const auto from = node({peer(1)});
  auto to = from;
  to.interface.private_key = key(16);
  device_update expected;
  expected.private_key = key(16);
  CHECK(difference(from, to) == expected);
  to = from;
  to.interface.listen.port = 1;
  to.interface.fwmark = 2;
  expected = {};
  expected.listen_port = 1;
  expected.fwmark = 2;
  CHECK(difference(from, to) == expected);
  to = from;
  to.interface.name = "other";
  to.interface.mtu = 1300;
  to.log.level = log_level::debug;
  CHECK(difference(from, to) == device_update{});
}

TEST_CASE("A changed peer carries what changed and nothing else") {
  const auto from = node({peer(1, {prefix("10.0.0.0/8")}), peer(2)});
  const auto change = [&](auto edit) {
    auto to = from;
    edit(to.peers[0]);
    const auto update = difference(from, to);
    REQUIRE(update.peers.size() == 1);
    return update.peers[0];
  };
  patch<peer_config> base;
  base.public_key = public_of(1);
  base.verb = peer_verb::update;

  auto expected = base;
  expected.set(&peer_config::endpoint, *parse_endpoint("192.0.2.1:5"));
  CHECK(change([&](auto& p) { p.endpoint = *parse_endpoint("192.0.2.1:5"); })
        == expected);
  expected = base;
  expected.set(&peer_config::name, "beta");
  CHECK(change([](auto& p) { p.name = "beta"; }) == expected);
  expected = base;
  expected.set(&peer_config::preshared_key, key(24));
  CHECK(change([](auto& p) { p.preshared_key = key(24); }) == expected);
  expected = base;
  expected.set(&peer_config::persistent_keepalive, std::chrono::seconds{25});
  CHECK(
    change([](auto& p) { p.persistent_keepalive = std::chrono::seconds{25}; })
    == expected);
  expected = base;
  expected.replace_allowed_ips = true;
  expected.allowed_ips = {{prefix("10.0.0.0/9"), false}};
  CHECK(change([](auto& p) { p.allowed_ips = {prefix("10.0.0.0/9")}; })
        == expected);
}

TEST_CASE("What a peer loses is taken from it") {
  auto from = node({peer(1, {prefix("10.0.0.0/8")})});
  from.peers[0].name = "beta";
  from.peers[0].preshared_key = key(24);
  from.peers[0].persistent_keepalive = std::chrono::seconds{25};
  from.peers[0].endpoint = *parse_endpoint("192.0.2.1:5");
  const auto update = difference(from, node({peer(1)}));
  REQUIRE(update.peers.size() == 1);
  const auto& change = update.peers[0];
  CHECK(change.clears(&peer_config::name));
  CHECK(change.clears(&peer_config::preshared_key));
  CHECK(change.clears(&peer_config::persistent_keepalive));
  CHECK(change.replace_allowed_ips);
  CHECK(change.allowed_ips.empty());
  CHECK(change.clears(&peer_config::endpoint));
}

TEST_CASE("Removed peers come first, then changed and new ones") {
  const auto update
    = difference(node({peer(1), peer(2), peer(3, {prefix("10.0.0.0/8")})}),
                 node({peer(4, {prefix("10.0.0.0/8")}), peer(2)}));
  REQUIRE(update.peers.size() == 3);
  CHECK(update.peers[0].verb == peer_verb::remove);
  CHECK(update.peers[0].public_key == public_of(1));
  CHECK(update.peers[1].verb == peer_verb::remove);
  CHECK(update.peers[1].public_key == public_of(3));
  CHECK(update.peers[2].public_key == public_of(4));
  CHECK(update.peers[2].verb == peer_verb::put);
  CHECK_FALSE(update.replace_peers);
}

TEST_CASE("Prefixes that peers exchange end at the right ones") {
  const auto a = prefix("10.0.0.0/8");
  const auto b = prefix("10.1.0.0/16");
  const auto from = node({peer(1, {a}), peer(2, {b})});
  for (const auto& to :
       {node({peer(1, {b}), peer(2, {a})}), node({peer(1, {a, b}), peer(2)}),
        node({peer(2, {a, b}), peer(1)}), node({peer(2, {a})}),
        node({peer(3, {a}), peer(1), peer(2, {b})})}) {
    auto device = set_up(from);
    device.apply(difference(from, to));
    CHECK(device.state() == set_up(to).state());
  }
}

TEST_CASE("Any configuration is reached from any other") {
  std::mt19937 random{5};
  const auto pick = [&](unsigned below) {
    return std::uniform_int_distribution<unsigned>{0, below - 1}(random);
  };
  const auto random_node = [&] {
    std::vector<peer_config> peers;
    for (unsigned n = 0; n < 6; ++n)
      if (pick(3) != 0)
        peers.push_back(peer(n));
    std::shuffle(peers.begin(), peers.end(), random);
    for (unsigned n = 0; n < 12 && !peers.empty(); ++n)
      peers[pick(static_cast<unsigned>(peers.size()))].allowed_ips.push_back(
        prefix("10." + std::to_string(n) + ".0.0/16"));
    for (auto& one : peers) {
      if (pick(3) != 0)
        one.endpoint = endpoint{{}, static_cast<std::uint16_t>(pick(3)), 0};
      one.name = pick(2) == 0 ? "" : "name";
      one.preshared_key = preshared_key{
        (pick(2) == 0 ? secret<32>{} : key(8 * pick(3))).bytes()};
      one.persistent_keepalive = std::chrono::seconds{pick(2)};
    }
    return node(std::move(peers));
  };
  for (int i = 0; i < 500; ++i) {
    const auto from = random_node();
    const auto to = random_node();
    auto device = set_up(from);
    device.apply(difference(from, to));
    REQUIRE(device.state() == set_up(to).state());
    // The same by changes of a list.
    auto changed = from;
    for (const auto& change : difference(from, to).peers)
      make_change(change, changed.peers);
    REQUIRE(difference(changed, to).peers.empty());
  }
}
