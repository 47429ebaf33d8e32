#include "config/saved_node.hpp"
#include "messages/errors.hpp"
#include "tests/actors/registered.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

TEST_CASE_METHOD(registered, "A new peer is made, and everybody who must know "
                             "hears of it") {
  auto update = with(first, {"10.0.0.1/32", "fd00::/8"});
  update.set(&peer_config::name, "alpha");
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  update.set(&peer_config::persistent_keepalive, 25s);
  update.set(&peer_config::preshared_key,
             preshared_key{unhex_secret(std::string(64, '1'))});
  apply({update});
  const auto actor = actor_of("fd12::1");
  CHECK(actor_of("10.0.0.1") == actor);
  CHECK_FALSE(slot_of("10.0.0.2"));
  const auto heard = entries();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].key == first);
  CHECK(heard[0].actor == actor);
  CHECK(heard[0].configured_endpoint == endpoint_of("192.0.2.1:5"));
  CHECK(gate.next<routes_changed>().snapshot == snapshot);
  const auto status = status_of(first, true);
  CHECK(status.name == "alpha");
  CHECK(status.endpoint == endpoint_of("192.0.2.1:5"));
  CHECK(status.persistent_keepalive == 25s);
  CHECK(status.preshared_key == *update.find(&peer_config::preshared_key));
  CHECK(status.restarts == 0);
  CHECK(sorted(status.allowed_ips)
        == sorted({prefix_of("10.0.0.1/32"), prefix_of("fd00::/8")}));
  CHECK(status_of(first).preshared_key.is_zero());
}

TEST_CASE_METHOD(registered, "Peers that are about to stand still carry on "
                             "until they do, and when they do not") {
  CHECK_FALSE(home.command(list, prepare_freeze{})); // nobody is there
  CHECK_FALSE(home.command(list, thaw{}));
  apply({with(first, {"10.0.0.1/32"})});
  CHECK_FALSE(home.command(list, prepare_freeze{}));
  apply({with(second)});
  CHECK_FALSE(home.command(list, thaw{}));
  CHECK_FALSE(home.command(list, prepare_freeze{}));
  const auto saved = home.ask<frozen_peers>(list, freeze_peers{}).saved;
  REQUIRE(saved->peers.size() == 2);
  CHECK(saved->peers[0].session);
  CHECK(saved->peers[1].session);
}

TEST_CASE_METHOD(registered, "Who was told to forget the keys has none, before "
                             "it has ended") {
  const preshared_key key{unhex_secret(std::string(64, '1'))};
  auto update = with(first, {"10.0.0.1/32"});
  update.set(&peer_config::preshared_key, key);
  apply({update, with(second)});
  const auto of_registry = [this] {
    const auto all
      = home.ask<peer_configurations>(list, configuration_request{});
    return all.peers.front().preshared_key;
  };
  const auto of_peer = [this] { return status_of(first, true).preshared_key; };
  CHECK(of_registry() == key);
  CHECK(of_peer() == key);
  home.ask<frozen_peers>(list, freeze_peers{});
  const std::weak_ptr<const identity> self = us.self;
  us.self.reset();
  CHECK_FALSE(home.command(list, forget_keys{}));
  CHECK(of_registry().is_zero());
  CHECK(of_peer().is_zero());
  gate.take<change_identity>();
  CHECK(self.expired());
}

TEST_CASE_METHOD(registered, "A registry without peers reports none") {
  CHECK(report().empty());
}

TEST_CASE_METHOD(registered, "Peers are reported in the order of their slots") {
  apply({with(third), with(first), with(second)});
  CHECK(keys() == std::vector{third, first, second});
  apply({without(first)});
  CHECK(keys() == std::vector{third, second});
  apply({with(first)}); // its slot was free
  CHECK(keys() == std::vector{third, first, second});
}

TEST_CASE_METHOD(registered, "A change of a peer leaves its actor and its "
                             "session alone") {
  node other(home, loop.loop, 2);
  auto update = with(other.key(), {"10.0.0.2/32"});
  update.set(&peer_config::endpoint, other.address);
  apply({update});
  const tunnel_end here{us, actor_of("10.0.0.2")};
  const tunnel_end there{other, other.spawn_peer(home, 0, us.as_peer())};
  other.allow({{"10.0.0.1/32", 0}});
  caf::anon_send(here.actor, outgoing_of({udp_packet(1, 2, 3)}));
  exchange(home, here, there);
  REQUIRE(other.delivered.count<bytes>() == 1);

  auto change = with(other.key(), {"10.0.7.0/24"});
  change.set(&peer_config::name, "beta");
  change.set(&peer_config::endpoint, endpoint_of("192.0.2.9:9"));
  change.set(&peer_config::persistent_keepalive, 1000s);
  apply({change, with(second)});
  CHECK(actor_of("10.0.7.7") == here.actor);
  CHECK(actor_of("10.0.0.2") == here.actor);
  const auto status = status_of(other.key());
  CHECK(status.name == "beta");
  CHECK(status.endpoint == endpoint_of("192.0.2.9:9"));
  CHECK(status.last_handshake);
  here.sent(home); // the keepalive that was switched on
  caf::anon_send(here.actor, outgoing_of({udp_packet(1, 2, 4)}));
  const auto sent = here.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(types_in(sent[0]) == std::vector{message_type::transport});
  // The gate knows where it is configured to be now.
  CHECK(entries().back().actor != nullptr);
}

TEST_CASE_METHOD(registered, "A peer that is removed ends, and nothing leads "
                             "to it any more") {
  apply({with(first, {"10.0.0.1/32"}), with(second, {"10.0.0.2/32"})});
  const auto gone = actor_of("10.0.0.1");
  const auto slot = *slot_of("10.0.0.1");
  entries();
  apply({without(first), without(third)}); // who does not exist is no error
  CHECK(home.await_end(gone) == caf::exit_reason::user_shutdown);
  CHECK_FALSE(slot_of("10.0.0.1"));
  CHECK(snapshot->peer(slot) == nullptr);
  const auto heard = entries();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].key == first);
  CHECK(heard[0].actor == nullptr);
  CHECK(keys() == std::vector{second});
  CHECK(report()[0].restarts == 0);
}

TEST_CASE_METHOD(registered, "All peers can be replaced at once") {
  apply({with(first, {"10.0.0.1/32"}), with(second, {"10.0.0.2/32"})});
  const auto before = actor_of("10.0.0.2");
  auto update = update_of({with(second, {"10.0.0.3/32"}), with(third)});
  update.replace_peers = true;
  apply(update);
  auto left = keys();
  std::sort(left.begin(), left.end());
  CHECK(left == std::vector{second, third});
  CHECK_FALSE(slot_of("10.0.0.1"));
  CHECK_FALSE(slot_of("10.0.0.2"));
  CHECK(actor_of("10.0.0.3") != before);
  CHECK(home.await_end(before) == caf::exit_reason::user_shutdown);
}

TEST_CASE_METHOD(registered, "A prefix moves to the peer that it was given to "
                             "last") {
  apply({with(first, {"10.0.0.0/24", "10.0.0.7/24"}),
         with(second, {"10.0.0.5/32"})});
  CHECK(status_of(first).allowed_ips == prefixes{prefix_of("10.0.0.0/24")});
  CHECK(actor_of("10.0.0.5") != actor_of("10.0.0.6"));
  apply({with(second, {"10.0.0.0/24"})});
  CHECK(status_of(first).allowed_ips.empty());
  CHECK(sorted(status_of(second).allowed_ips)
        == sorted({prefix_of("10.0.0.0/24"), prefix_of("10.0.0.5/32")}));
  CHECK(actor_of("10.0.0.5") == actor_of("10.0.0.6"));
  // Removing whom it belonged to before takes nothing away.
  apply({without(first)});
  CHECK(slot_of("10.0.0.6"));
}

TEST_CASE_METHOD(registered, "Prefixes are removed from and replaced at the "
                             "peer that has them") {
  apply({with(first, {"10.0.1.0/24", "10.0.2.0/24"}),
         with(second, {"10.0.3.0/24"})});
  auto removal = with(first, {"10.0.1.0/24", "10.0.3.0/24"});
  for (auto& change : removal.allowed_ips)
    change.remove = true;
  apply({removal});
  CHECK(status_of(first).allowed_ips == prefixes{prefix_of("10.0.2.0/24")});
  CHECK_FALSE(slot_of("10.0.1.1"));
  CHECK(slot_of("10.0.3.1")); // it is another peer's
  auto replacement = with(first, {"10.0.4.0/24"});
  replacement.replace_allowed_ips = true;
  apply({replacement});
  CHECK(status_of(first).allowed_ips == prefixes{prefix_of("10.0.4.0/24")});
  CHECK_FALSE(slot_of("10.0.2.1"));
}

TEST_CASE_METHOD(registered, "A peer that may only be updated is not made") {
  auto update = with(first, {"10.0.0.1/32"});
  update.verb = peer_verb::update;
  apply({update});
  CHECK(report().empty());
  CHECK_FALSE(slot_of("10.0.0.1"));
  apply({with(first)});
  apply({update});
  CHECK(slot_of("10.0.0.1"));
}

TEST_CASE_METHOD(registered, "More peers than there is room for are refused, "
                             "and nothing is changed") {
  apply({with(first)});
  std::vector<patch<peer_config>> many;
  for (unsigned i = 0; i < receiver_index_codec::max_slots; ++i)
    many.push_back(with(key_number(i + 100)));
  const auto error
    = home.try_ask<config_changes>(list, update_of(std::move(many))).error();
  CHECK(error_code(error) == ENOSPC);
  CHECK(keys() == std::vector{first});
}

TEST_CASE_METHOD(registered, "Ten thousand peers are added, changed and "
                             "removed as one") {
  std::vector<patch<peer_config>> all;
  constexpr unsigned count = 10'000;
  const auto address = [](unsigned i) {
    return "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250);
  };
  for (unsigned i = 0; i < count; ++i)
    all.push_back(with(key_number(i), {address(i) + "/32"}));
  apply(all);
  CHECK(report().size() == count);
  for (unsigned i = 0; i < count; i += 499)
    CHECK(slot_of(address(i)) == i);
  apply(all); // nothing changes
  const auto reported = report();
  REQUIRE(reported.size() == count);
  CHECK(reported[count - 1].public_key == key_number(count - 1));
  CHECK(reported[count - 1].allowed_ips
        == prefixes{prefix_of(address(count - 1) + "/32")});
  device_update none;
  none.replace_peers = true;
  apply(none);
  CHECK(report().empty());
}
