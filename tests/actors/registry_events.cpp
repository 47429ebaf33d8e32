#include "config/saved_node.hpp"
#include "messages/errors.hpp"
#include "tests/actors/registered.hpp"

#include <cerrno>
#include <limits>

using namespace weft;
using namespace weft::test;

TEST_CASE_METHOD(registered, "Nobody is a peer of itself") {
  apply({with(us.key(), {"10.0.0.1/32"}), with(second)});
  CHECK(keys() == std::vector{second});
  // A peer whose key becomes ours disappears.
  deterministic_random random{99};
  const auto next = std::make_shared<identity>(generate_private_key(random));
  apply({with(next->public_static(), {"10.0.0.3/32"})});
  const auto gone = actor_of("10.0.0.3");
  caf::anon_send(list, change_identity{next, true});
  CHECK(home.await_end(gone) == caf::exit_reason::user_shutdown);
  CHECK(keys() == std::vector{second});
  CHECK_FALSE(reader.next<routes_changed>().snapshot->slot_of(
    *parse_ip_address("10.0.0.3")));
  CHECK(gate.next<change_identity>().self == next);
}

TEST_CASE_METHOD(registered, "Peers hear of a new identity and of the link") {
  auto update = with(first, {"10.0.0.2/32"});
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  apply({update});
  const tunnel_end end{us, actor_of("10.0.0.2")};
  home.ask<config_changes>(list, change_identity{us.self, false});
  CHECK_FALSE(gate.next<change_identity>().link_up);
  caf::anon_send(end.actor, session_wanted{});
  CHECK(end.sent(home).empty());
  // A peer that is added while the link is down is silent too.
  auto keeping = with(second, {"10.0.0.3/32"});
  keeping.set(&peer_config::endpoint, endpoint_of("192.0.2.2:5"));
  keeping.set(&peer_config::persistent_keepalive, 25s);
  apply({keeping});
  CHECK(tunnel_end{us, actor_of("10.0.0.3")}.sent(home).empty());
  caf::anon_send(list, change_identity{us.self, true});
  CHECK(us.socket.next<outgoing_datagrams>().path.remote
        == endpoint_of("192.0.2.2:5"));
}

TEST_CASE_METHOD(registered, "A peer that failed is started again alone, as it "
                             "was configured") {
  auto update = with(first, {"10.0.0.1/32"});
  update.set(&peer_config::name, "alpha");
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  update.set(&peer_config::preshared_key,
             preshared_key{unhex_secret(std::string(64, '1'))});
  update.set(&peer_config::persistent_keepalive, 25s);
  apply({update, with(second, {"10.0.0.2/32"})});
  const auto slot = *slot_of("10.0.0.1");
  const auto untouched = actor_of("10.0.0.2");
  const auto index_of_next = [&] {
    const auto sent = us.socket.next<outgoing_datagrams>();
    return load_le<std::uint32_t>(sent.batch->datagrams[0].data()
                                  + wire::initiation_sender);
  };
  const auto index = index_of_next();
  entries();
  for (std::uint64_t restarts = 1; restarts <= 2; ++restarts) {
    const auto now = actor_of("10.0.0.1");
    caf::anon_send_exit(now, caf::exit_reason::unhandled_exception);
    home.advance(1s); // not again and again
    snapshot = reader.next<routes_changed>().snapshot;
    CHECK(actor_of("10.0.0.1") != now);
    CHECK(slot_of("10.0.0.1") == slot);
    CHECK(actor_of("10.0.0.2") == untouched);
    CHECK(status_of(first).restarts == restarts);
    CHECK(status_of(second).restarts == 0);
  }
  const auto heard = entries();
  REQUIRE(heard.size() == 2);
  CHECK(heard.back().key == first);
  CHECK(heard.back().actor == actor_of("10.0.0.1"));
  CHECK(heard.back().configured_endpoint == endpoint_of("192.0.2.1:5"));
  const auto status = status_of(first, true);
  CHECK(status.name == "alpha");
  CHECK(status.endpoint == endpoint_of("192.0.2.1:5"));
  CHECK(status.preshared_key == *update.find(&peer_config::preshared_key));
  CHECK(status.persistent_keepalive == 25s);
  // Its indices begin behind those that the former one may have used.
  const auto next = index_of_next();
  CHECK(us.indices->slot(next) == slot);
  CHECK(us.indices->generation(next)
        == (us.indices->generation(index) + 1) % 4096);
}

TEST_CASE_METHOD(registered, "A peer that failed is not started again while "
                             "another process is to go on with all of them") {
  apply({with(first, {"10.0.0.1/32"})});
  const auto former = actor_of("10.0.0.1");
  caf::anon_send_exit(former, caf::exit_reason::unhandled_exception);
  const auto saved = home.ask<frozen_peers>(list, freeze_peers{}).saved;
  REQUIRE(saved->peers.size() == 1);
  CHECK_FALSE(saved->peers[0].session);
  CHECK(saved->peers[0].lost);
  home.advance(5s);
  CHECK(reader.count<routes_changed>() == 0);
  caf::anon_send(list, thaw{});
  home.advance(1s);
  snapshot = reader.next<routes_changed>().snapshot;
  CHECK(actor_of("10.0.0.1") != former);
}

TEST_CASE_METHOD(registered, "What peers were to leave to somebody who was "
                             "called off is left to nobody else") {
  apply({with(first, {"10.0.0.1/32"})});
  std::shared_ptr<saved_node> saved;
  const auto freeze_and = [&](auto then) {
    gate.run([&] {
      gate.self()
        ->request(list, caf::infinite, freeze_peers{})
        .then([&](const frozen_peers& all) { saved = all.saved; });
      caf::anon_send(list, std::move(then));
    });
    home.settle();
  };
  freeze_and(thaw{});
  CHECK_FALSE(saved);
  freeze_and(peers_stand_still{std::make_shared<saved_node>()});
  REQUIRE(eventually([&] { return saved != nullptr; }));
  REQUIRE(saved->peers.size() == 1);
  CHECK(saved->peers[0].session);
}

TEST_CASE_METHOD(registered, "A peer that failed while it was up is still up, "
                             "and one that was removed comes up again") {
  node there(home, loop.loop, 2);
  there.allow({{"10.0.0.1/32", 9}});
  const tunnel_end far{there, there.spawn_peer(home, 9, us.as_peer())};
  auto update = with(there.key(), {"10.0.0.2/32"});
  update.set(&peer_config::endpoint, there.address);
  const auto meet = [&] {
    us.allowed = snapshot;
    const tunnel_end near{us, actor_of("10.0.0.2")};
    caf::anon_send(near.actor, session_wanted{});
    exchange(home, near, far);
    return kinds_in(ups_and_downs(us));
  };
  using kinds_of = std::vector<event_kind>;
  const kinds_of comes_up{event_kind::handshake_completed, event_kind::peer_up};
  apply({update});
  CHECK(meet() == comes_up);
  caf::anon_send_exit(actor_of("10.0.0.2"),
                      caf::exit_reason::unhandled_exception);
  home.advance(1s);
  snapshot = reader.next<routes_changed>().snapshot;
  CHECK(status_of(there.key()).restarts == 1);
  CHECK(meet() == kinds_of{event_kind::handshake_completed});
  home.advance(1s);
  apply({without(there.key())});
  CHECK(kinds_in(ups_and_downs(us)).empty());
  apply({update});
  CHECK(meet() == comes_up);
}

TEST_CASE_METHOD(registered, "A host name is looked up, and its peer is told") {
  auto update = with(first, {"10.0.0.1/32"});
  const host_endpoint host{"beta.example.net", 51820};
  update.set(&peer_config::endpoint, host);
  apply({update});
  const auto asked = names.next<resolve_endpoint>();
  CHECK(asked.peer == first);
  CHECK(asked.host == host);
  CHECK(asked.asker == list);
  CHECK_FALSE(status_of(first).endpoint);
  CHECK(status_of(first).endpoint_host == "beta.example.net:51820");
  const auto found = endpoint_of("203.0.113.1:51820");
  entries();
  caf::anon_send(list, endpoint_resolved{first, host, {found}});
  CHECK(status_of(first).endpoint == found);
  CHECK(entries().back().configured_endpoint == found);
  // Answers that come too late count no more.
  caf::anon_send(list, endpoint_resolved{first,
                                         {"old.example.net", 1},
                                         {endpoint_of("203.0.113.66:1")}});
  caf::anon_send(list, endpoint_resolved{second, host, {found}});
  CHECK(status_of(first).endpoint == found);
  update = with(first);
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.4:4"));
  apply({update});
  caf::anon_send(list, endpoint_resolved{first, host, {found}});
  CHECK(status_of(first).endpoint == endpoint_of("192.0.2.4:4"));
  CHECK(status_of(first).endpoint_host.empty());
}

TEST_CASE_METHOD(registered, "While nobody answers for a name, its addresses "
                             "have their turns") {
  auto update = with(first);
  const host_endpoint host{"beta.example.net", 51820};
  const auto v6 = endpoint_of("[2001:db8::1]:51820");
  const auto v4 = endpoint_of("203.0.113.1:51820");
  update.set(&peer_config::endpoint, host);
  apply({update});
  names.next<resolve_endpoint>();
  const auto answer = [&] {
    caf::anon_send(list, endpoint_resolved{first, host, {v6, v4}});
  };
  const auto nobody_answers
    = [&] { caf::anon_send(list, endpoint_unanswered{first}); };
  answer();
  CHECK(status_of(first).endpoint == v6);
  nobody_answers();
  names.next<resolve_endpoint>();
  CHECK(status_of(first).endpoint == v6); // the name may be elsewhere by now
  nobody_answers();
  CHECK(status_of(first).endpoint == v4);
  CHECK(names.count<resolve_endpoint>() == 0);
  SECTION("what has just been begun with is tried first") {
    answer();
    CHECK(status_of(first).endpoint == v4);
    nobody_answers();
    answer();
    CHECK(status_of(first).endpoint == v6);
  }
  SECTION("also while it waits for the next look-up") {
    caf::anon_send(list, endpoint_not_found{first, host, 1s, "no answer"});
    CHECK(status_of(first).endpoint == v4);
    nobody_answers();
    CHECK(status_of(first).endpoint == v6);
  }
  SECTION("those of another name count no more") {
    update.set(&peer_config::endpoint, host_endpoint{"gamma.example.net", 1});
    apply({update});
    names.next<resolve_endpoint>();
    nobody_answers();
    CHECK(status_of(first).endpoint == v4);
  }
}

TEST_CASE_METHOD(registered, "A name that is not found is looked up again, as "
                             "long as its peer wants it") {
  auto update = with(first);
  const host_endpoint host{"beta.example.net", 51820};
  update.set(&peer_config::endpoint, host);
  apply({update});
  CHECK(names.next<resolve_endpoint>().retry_after == 2s);
  caf::anon_send(list, endpoint_not_found{first, host, 0s, "no such host"});
  CHECK(names.next<resolve_endpoint>().host == host);
  caf::anon_send(list, endpoint_not_found{first, host, 1s, "no such host"});
  home.advance(1s - 1ns);
  CHECK(names.count<resolve_endpoint>() == 0);
  home.advance(1ns);
  CHECK(names.next<resolve_endpoint>().retry_after == 2s); // twice as long
  // Nobody asks for the name of a peer that is gone or has another one.
  const host_endpoint other{"gamma.example.net", 1};
  caf::anon_send(list, endpoint_not_found{second, host, 0s, ""});
  caf::anon_send(list, endpoint_not_found{first, other, 0s, ""});
  caf::anon_send(list, endpoint_not_found{first, host, 1s, ""});
  apply({without(first)});
  update = with(second);
  update.set(&peer_config::endpoint, other);
  apply({update});
  caf::anon_send(list, endpoint_not_found{second, other, 1s, ""});
  CHECK(names.next<resolve_endpoint>().host == other); // as it was added
  home.advance(1s);
  CHECK(names.next<resolve_endpoint>().host == other); // the second attempt
  home.advance(1h);
  CHECK(names.count<resolve_endpoint>() == 0);
}

TEST_CASE_METHOD(registered,
                 "A name is looked up once at a time, however often "
                 "nobody answers") {
  const auto asks_again = [this] {
    caf::anon_send(list, endpoint_unanswered{first});
    caf::anon_send(list, endpoint_unanswered{first});
    status_of(first); // the list has heard it
    names.settle();
    return names.count<resolve_endpoint>();
  };
  auto update = with(first);
  const host_endpoint host{"beta.example.net", 51820};
  update.set(&peer_config::endpoint, host);
  apply({update});
  names.next<resolve_endpoint>();
  CHECK(asks_again() == 0);
  caf::anon_send(list, endpoint_not_found{first, host, 1000s, "no such host"});
  CHECK(asks_again() == 0);
  const auto found = endpoint_of("203.0.113.1:51820");
  caf::anon_send(list, endpoint_resolved{first, host, {found}});
  CHECK(asks_again() == 1);
}

TEST_CASE_METHOD(registered, "No two peers get one name, but names may change "
                             "hands") {
  const auto named = [](const public_key& key, const std::string& name) {
    auto update = with(key);
    update.set(&peer_config::name, name);
    return update;
  };
  apply({named(first, "alpha"), named(second, "beta")});
  const auto try_to = [this](std::vector<patch<peer_config>> peers) {
    device_update update;
    update.peers = std::move(peers);
    return home.try_ask<config_changes>(list, std::move(update));
  };
  const auto refused = try_to({named(second, "alpha")});
  REQUIRE_FALSE(refused);
  CHECK(error_code(refused.error()) == EEXIST);
  CHECK(error_field(refused.error()) == "peer.name");
  CHECK(status_of(second).name == "beta");
  CHECK(try_to({named(first, "beta"), named(second, "alpha")}));
  CHECK(status_of(first).name == "beta");
  CHECK(try_to({without(first), named(second, "beta")}));
  CHECK(status_of(second).name == "beta");
}

TEST_CASE_METHOD(registered, "A page of a report ends by its allowed IPs, too, "
                             "but has one peer at least") {
  apply({with(first, {"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"}),
         with(second, {"10.0.0.4/32"})});
  const auto page = [this](std::uint32_t from, std::uint32_t prefixes) {
    return home.ask<registry_report>(list,
                                     report_request{false, from, 10, prefixes});
  };
  CHECK(page(0, 4).peers.size() == 2);
  const auto one = page(0, 2);
  CHECK(one.peers.size() == 1);
  REQUIRE(one.next_peer != 0);
  const auto rest = page(one.next_peer, 2);
  CHECK(rest.peers.size() == 1);
  CHECK(rest.next_peer == 0);
}

TEST_CASE_METHOD(registered,
                 "A handshake is not later than any time there is") {
  apply({with(first)});
  constexpr auto last = std::numeric_limits<std::int64_t>::max();
  CHECK_FALSE(home.ask<bool>(list, check_handshake{first, last}));
}

TEST_CASE_METHOD(registered, "A prefix that moves is told of") {
  auto update = with(first, {"10.0.0.1/32"});
  update.set(&peer_config::name, "alpha");
  apply({update});
  device_update moving;
  moving.peers = {with(second, {"10.0.0.1/32"})};
  const auto told = home.ask<config_changes>(list, moving);
  CHECK(told.notes == std::vector<std::string>{"10.0.0.1/32 moved from alpha"});
}

TEST_CASE_METHOD(registered, "A registry that ends takes its peers along") {
  apply({with(first, {"10.0.0.1/32"}), with(second, {"10.0.0.2/32"})});
  const auto one = actor_of("10.0.0.1");
  const auto two = actor_of("10.0.0.2");
  home.end(list);
  CHECK(home.await_end(one) == caf::exit_reason::user_shutdown);
  CHECK(home.await_end(two) == caf::exit_reason::user_shutdown);
}
