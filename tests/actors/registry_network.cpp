// Peers of the network beside those of files and commands: neither touches the
// other's.
#include "messages/errors.hpp"
#include "tests/actors/registered.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

using notes = std::vector<std::string>;
using Catch::Contains;

struct two_sides : registered {
  void tell(std::vector<patch<peer_config>> peers,
            peer_origin origin = peer_origin::network) {
    auto update = update_of(std::move(peers));
    update.origin = origin;
    apply(update);
  }
  static patch<peer_config>
  called(const std::string& name, const public_key& key,
         const std::vector<std::string>& prefixes = {}) {
    auto update = with(key, prefixes);
    update.set(&peer_config::name, name);
    return update;
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& status : report())
      all.push_back(status.name);
    return all;
  }
  prefixes allowed(const public_key& key) {
    return sorted(status_of(key).allowed_ips);
  }
};

const auto fourth = key_number(4);

} // namespace

TEST_CASE_METHOD(two_sides, "What the network wants of others' peers is "
                            "refused for that peer alone, and said") {
  const auto by = GENERATE(peer_origin::file, peer_origin::command);
  tell({called("alpha", first, {"10.0.0.0/16"})}, by);
  tell({called("same-key", first, {"10.9.0.0/28"}),
        called("within", second, {"10.8.0.0/28", "10.0.3.0/28"}),
        called("around", third, {"10.0.0.0/8"}),
        called("beside", fourth, {"10.1.0.0/28"})});
  CHECK(keys() == std::vector{first, fourth});
  CHECK(changes.peers_added == 1);
  REQUIRE(changes.notes.size() == 3);
  CHECK_THAT(changes.notes[0],
             Contains("same-key") && Contains("its key is that of 'alpha'"));
  CHECK_THAT(changes.notes[1],
             Contains("within")
               && Contains("10.0.3.0/28 overlaps 10.0.0.0/16 of 'alpha'"));
  CHECK_THAT(changes.notes[2], Contains("around"));
  CHECK_FALSE(slot_of("10.8.0.1"));
  CHECK(allowed(first) == prefixes{prefix_of("10.0.0.0/16")});
  // Nor does it change or remove what is not its own.
  auto change = with(first);
  change.verb = peer_verb::update;
  change.set(&peer_config::endpoint, endpoint_of("192.0.2.66:6"));
  tell({change, without(first)});
  CHECK(status_of(first).name == "alpha");
  CHECK_FALSE(status_of(first).endpoint);
}

TEST_CASE_METHOD(two_sides, "A change of a peer of the network that overlaps "
                            "leaves it as it was") {
  tell({with(second, {"10.0.0.0/16"})}, peer_origin::file);
  tell({called("beta", first, {"10.1.0.0/28"})});
  auto change = called("gamma", first, {"10.0.0.0/28"});
  change.replace_allowed_ips = true;
  tell({change});
  CHECK(status_of(first).name == "beta");
  CHECK(allowed(first) == prefixes{prefix_of("10.1.0.0/28")});
}

TEST_CASE_METHOD(two_sides, "File and command take prefixes from the network's "
                            "peers, and that is said once") {
  const auto by = GENERATE(peer_origin::file, peer_origin::command);
  tell({called("beta", first, {"10.1.0.0/28", "10.1.0.16/28", "fd00::/64"}),
        called("gamma", second, {"10.2.0.0/16"})});
  const auto claim
    = called("alpha", third, {"10.1.0.0/24", "10.2.3.0/24", "fd00::/64"});
  tell({claim}, by);
  CHECK(changes.notes
        == notes{"10.1.0.0/28 of the network's peer beta is left to alpha",
                 "10.1.0.16/28 of the network's peer beta is left to alpha",
                 "10.2.0.0/16 of the network's peer gamma is left to alpha",
                 "fd00::/64 of the network's peer beta is left to alpha"});
  CHECK(allowed(first).empty());
  CHECK(allowed(second).empty());
  CHECK(slot_of("10.1.0.1") == slot_of("10.2.3.1"));
  CHECK_FALSE(slot_of("10.2.4.1"));
  tell({claim}, by);
  CHECK(changes.notes.empty());
  // Once nobody else has them the network's peers may have them again.
  tell({without(third)}, by);
  tell({with(first, {"10.1.0.0/28"})});
  CHECK(allowed(first) == prefixes{prefix_of("10.1.0.0/28")});
}

TEST_CASE_METHOD(two_sides, "A full tunnel of a file and the network's peers "
                            "lie beside each other") {
  const auto halves = GENERATE(false, true);
  const auto all
    = halves ? std::vector<std::string>{"0.0.0.0/1", "128.0.0.0/1", "::/0"}
             : std::vector<std::string>{"0.0.0.0/0", "::/0"};
  tell({with(first, {"10.1.0.0/28"})});
  tell({with(second, all)}, peer_origin::file);
  CHECK(changes.notes.empty());
  tell({with(third, {"10.1.0.16/28"})});
  CHECK(changes.notes.empty());
  CHECK(allowed(first).size() == 1);
  CHECK(allowed(third).size() == 1);
  CHECK(slot_of("192.0.2.1"));
  CHECK(slot_of("10.1.0.1") != slot_of("192.0.2.1"));
}

TEST_CASE_METHOD(two_sides, "The network never has the host's whole traffic") {
  auto wants_all = called("beta", first);
  wants_all.set(&peer_config::default_route, true);
  tell({wants_all, called("gamma", second, {"0.0.0.0/0"}),
        called("delta", third, {"8000::/1"})});
  CHECK(keys().empty());
  CHECK(changes.notes.size() == 3);
  CHECK_FALSE(slot_of("192.0.2.1"));
}

TEST_CASE_METHOD(two_sides, "A peer of the network that a file or a command "
                            "makes is theirs alone, with what they say") {
  const auto by = GENERATE(peer_origin::file, peer_origin::command);
  auto told = called("beta", first, {"10.1.0.0/28", "10.1.0.16/28"});
  told.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  told.set(&peer_config::preshared_key,
           preshared_key{unhex_secret(std::string(64, '1'))});
  told.other_preshared_keys.emplace(
    {preshared_key{unhex_secret(std::string(64, '2'))}});
  tell({told});
  const auto actor = actor_of("10.1.0.1");
  tell({called("alpha", first, {"10.1.0.0/28"})}, by);
  REQUIRE_FALSE(changes.notes.empty());
  CHECK_THAT(changes.notes[0], Contains("was the network's"));
  const auto status = status_of(first, true);
  CHECK(status.name == "alpha");
  CHECK(status.preshared_key.is_zero());
  CHECK(allowed(first) == prefixes{prefix_of("10.1.0.0/28")});
  CHECK(actor_of("10.1.0.1") == actor); // its session goes on
  CHECK(
    home.ask<peer_configurations>(list, configuration_request{}).peers.size()
    == 1);
  tell({told});
  CHECK(status_of(first).name == "alpha");
  CHECK_THAT(changes.notes.at(0), Contains("its key is that of 'alpha'"));
}

TEST_CASE_METHOD(two_sides, "Commands neither change nor remove peers of the "
                            "network") {
  tell({called("beta", first, {"10.1.0.0/28"})});
  auto change = with(first, {"10.7.0.0/28"});
  change.verb = peer_verb::update;
  const auto refused
    = home.try_ask<config_changes>(list, change_existing_peer{change});
  REQUIRE_FALSE(refused);
  CHECK(error_code(refused.error()) == EPERM);
  apply({change, without(first)});
  REQUIRE(changes.notes.size() == 2);
  CHECK(changes.notes[0] == "peer beta is the network's, and stays as it is");
  CHECK(allowed(first) == prefixes{prefix_of("10.1.0.0/28")});
  device_update nothing;
  nothing.replace_peers = true;
  apply(nothing);
  CHECK(keys() == std::vector{first});
  CHECK(
    home.ask<peer_configurations>(list, configuration_request{}).peers.empty());
}

TEST_CASE_METHOD(two_sides, "Of two peers with one name the network's is told "
                            "apart, as long as there are two") {
  tell({called("beta", first), called("gamma", second)});
  CHECK(names() == std::vector<std::string>{"beta", "gamma"});
  tell({called("beta", third)}, peer_origin::command);
  CHECK(names() == std::vector<std::string>{"beta@network", "gamma", "beta"});
  tell({called("gamma", third)}, peer_origin::command);
  CHECK(names() == std::vector<std::string>{"beta", "gamma@network", "gamma"});
  tell({called("beta", second), called("gamma", first)});
  CHECK(names() == std::vector<std::string>{"gamma@network", "beta", "gamma"});
  tell({without(third)}, peer_origin::command);
  CHECK(names() == std::vector<std::string>{"gamma", "beta"});
  // Also for one that comes later.
  tell({called("delta", third)}, peer_origin::file);
  tell({called("delta", fourth)});
  CHECK(names()
        == std::vector<std::string>{"gamma", "beta", "delta", "delta@network"});
}

TEST_CASE_METHOD(two_sides, "A name that two of the network's peers have is "
                            "told apart, and holds no update up") {
  tell({called("beta", first), called("beta", second), called("gamma", third)});
  const auto by_key = "beta@" + to_string(second).substr(0, 8);
  CHECK(names() == std::vector<std::string>{"beta", by_key, "gamma"});
  tell({called("beta", fourth)}, peer_origin::file);
  CHECK(names()
        == std::vector<std::string>{"beta@network", by_key, "gamma", "beta"});
  tell({without(first)});
  tell({without(fourth)}, peer_origin::file);
  CHECK(names() == std::vector<std::string>{"beta", "gamma"});
}

TEST_CASE_METHOD(two_sides, "The network hears which of its peers have lost "
                            "something, also if it is free again") {
  using keys_of = std::vector<public_key>;
  const auto deprived = [this] {
    return home.ask<peer_configurations>(list, configuration_request{})
      .deprived;
  };
  const auto by = GENERATE(peer_origin::file, peer_origin::command);
  const std::vector beta{called("beta", first, {"10.1.0.0/28"})};
  tell(beta);
  CHECK(deprived().empty());
  // A prefix, given and given back.
  tell({called("alpha", third, {"10.1.0.0/24"})}, by);
  CHECK(deprived() == keys_of{first});
  tell({without(third)}, by);
  CHECK(deprived() == keys_of{first});
  tell(beta);
  CHECK(deprived().empty());
  CHECK(allowed(first) == prefixes{prefix_of("10.1.0.0/28")});
  // The peer itself.
  tell({called("mine", first)}, by);
  CHECK(deprived() == keys_of{first});
  tell({without(first)}, by);
  CHECK(deprived() == keys_of{first});
  tell(beta);
  CHECK(deprived().empty());
  CHECK(names() == std::vector<std::string>{"beta"});
  tell({called("mine", first)}, by);
  tell({without(first)}); // it is no member any more
  CHECK(deprived().empty());
}

TEST_CASE_METHOD(two_sides, "Peers that were there before the network's first "
                            "are left alone as well") {
  tell({called("alpha", first, {"10.1.0.0/24"}), called("beta", second)},
       peer_origin::file);
  tell({called("gamma", third, {"10.1.0.0/28"}), called("beta", fourth)});
  CHECK(keys() == std::vector{first, second, fourth});
  CHECK(names() == std::vector<std::string>{"alpha", "beta", "beta@network"});
}

TEST_CASE_METHOD(two_sides, "The keys that a peer also opens answers with "
                            "survive its actor") {
  node other(home, loop.loop, 2);
  const preshared_key former{unhex_secret(std::string(64, '1'))};
  const preshared_key next{unhex_secret(std::string(64, '2'))};
  auto told = with(other.key(), {"10.0.0.2/32"});
  told.set(&peer_config::endpoint, other.address);
  told.set(&peer_config::preshared_key, former);
  told.other_preshared_keys.emplace({next});
  tell({told});
  auto settings = us.as_peer();
  settings.preshared_key = next;
  const tunnel_end there{other, other.spawn_peer(home, 0, settings)};
  other.allow({{"10.0.0.1/32", 0}});
  const auto speaks = [&] {
    const tunnel_end here{us, actor_of("10.0.0.2")};
    caf::anon_send(here.actor, outgoing_of({udp_packet(1, 2, 3)}));
    exchange(home, here, there);
    return other.delivered.take<bytes>().size() == 1;
  };
  CHECK(speaks());
  const auto actor = actor_of("10.0.0.2");
  reader.take<routes_changed>();
  home.advance(10s); // it may be started again at once
  caf::anon_send_exit(actor, caf::exit_reason::out_of_workers);
  snapshot = reader.next<routes_changed>().snapshot;
  CHECK(actor_of("10.0.0.2") != actor);
  CHECK(speaks());
}
