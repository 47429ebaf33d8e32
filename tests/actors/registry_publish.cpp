// When a change is answered, and what is in force then.
#include "messages/errors.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/registered.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

/// Requests whose answers come to a log, so that the test may see that they do
/// not come yet.
struct asking : registered {
  template <class Message>
  void ask(Message message) {
    home.system().spawn(
      [this, message](caf::event_based_actor* self) -> caf::behavior {
        self->request(list, caf::infinite, message)
          .then([to = answers](const config_changes& done) { to->push(done); },
                [to = answers](const caf::error& error) { to->push(error); });
        return {};
      });
  }
  /// The fake keeps its answer to messages of type T until the test gives it.
  template <class T, class Fake>
  auto withhold(Fake& from) {
    auto kept = std::make_shared<std::vector<caf::response_promise>>();
    from.template on<T>(
      [&from, kept, to = asked](const T&) -> caf::result<void> {
        kept->push_back(from.self()->make_response_promise());
        to->push(true);
        return kept->back();
      });
    return kept;
  }
  template <class Fake>
  void
  release(Fake& from,
          const std::shared_ptr<std::vector<caf::response_promise>>& kept) {
    from.run([&] {
      for (auto& promise : *kept)
        promise.deliver(caf::unit_t{});
      kept->clear();
    });
  }
  /// A peer with a session, and the far end of it.
  tunnel_end meet(node& other, const std::string& prefix) {
    auto update = with(other.key(), {prefix});
    update.set(&peer_config::endpoint, other.address);
    apply({update});
    const tunnel_end here{us, actor_of(prefix.substr(0, prefix.find('/')))};
    const tunnel_end there{other, other.spawn_peer(home, 0, us.as_peer())};
    other.allow({{"10.0.0.1/32", 0}});
    caf::anon_send(here.actor, outgoing_of({udp_packet(1, 2, 3)}));
    exchange(home, here, there);
    REQUIRE(other.delivered.count<bytes>() == 1);
    return there;
  }

  message_log_ptr answers = std::make_shared<message_log>();
  message_log_ptr asked = std::make_shared<message_log>();
};

/// A peer that begins a session whenever it has none.
patch<peer_config> talkative(const public_key& key, const std::string& prefix) {
  auto update = with(key, {prefix});
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  update.set(&peer_config::persistent_keepalive, 25s);
  return update;
}

std::uint32_t initiation_index(const outgoing_datagrams& sent) {
  return load_le<std::uint32_t>(sent.batch->datagrams[0].data()
                                + wire::initiation_sender);
}

} // namespace

TEST_CASE_METHOD(asking, "A change is answered once the reader, the socket and "
                         "the gate have all taken it over") {
  const auto check = [this](auto& late) {
    const auto kept = withhold<routes_changed>(late);
    ask(update_of({with(first, {"10.0.0.1/32"})}));
    asked->next<bool>();
    report(); // the registry has heard of all others
    CHECK(answers->count<config_changes>() == 0);
    release(late, kept);
    answers->next<config_changes>();
    late.template on<routes_changed>(
      [](const routes_changed&) -> caf::result<void> { return caf::unit; });
  };
  check(reader);
  check(us.socket);
  check(gate);
}

TEST_CASE_METHOD(asking, "A new key is acknowledged once the gate listens as "
                         "nobody else") {
  const auto kept = withhold<change_identity>(gate);
  deterministic_random random{99};
  ask(change_identity{std::make_shared<identity>(generate_private_key(random)),
                      true});
  asked->next<bool>();
  report();
  CHECK(answers->count<config_changes>() == 0);
  release(gate, kept);
  answers->next<config_changes>();
}

TEST_CASE_METHOD(asking, "What was routed to a peer that loses its prefix has "
                         "left it when the change is answered") {
  node other(home, loop.loop, 2);
  meet(other, "10.0.0.2/32");
  const auto loser = actor_of("10.0.0.2");
  us.socket.take<outgoing_datagrams>();
  for (std::uint32_t i = 0; i < 50; ++i)
    caf::anon_send(loser, outgoing_of({udp_packet(1, 2, 3, i)}));
  apply({with(second, {"10.0.0.2/32"})});
  // The socket has answered behind all of them.
  CHECK(us.socket.count<finish_sending>() == 1);
  CHECK(us.socket.take<outgoing_datagrams>().size() == 50);
  us.socket.take<finish_sending>();
  apply({with(third, {"10.0.0.3/32"})});
  CHECK(us.socket.count<finish_sending>() == 0); // nobody has lost anything
}

TEST_CASE_METHOD(asking, "What came from a peer under its former prefixes has "
                         "been delivered when the change is answered") {
  node other(home, loop.loop, 2);
  const auto there = meet(other, "10.0.0.2/32");
  us.allowed = snapshot;
  for (std::uint32_t i = 0; i < 20; ++i)
    caf::anon_send(there.actor, outgoing_of({udp_packet(2, 1, 3, i)}));
  for (const auto& sent : there.sent(home))
    carry(sent, other.address, us, actor_of("10.0.0.2"));
  apply({with(second, {"10.0.0.2/32"})});
  CHECK(us.delivered.take<bytes>().size() == 20);
  // And from now on nothing is.
  us.allowed = snapshot;
  caf::anon_send(there.actor, outgoing_of({udp_packet(2, 1, 3)}));
  for (const auto& sent : there.sent(home))
    carry(sent, other.address, us, snapshot->peer(0)[0]);
  CHECK(status_of(other.key()).rx_packets > 0);
  CHECK(us.delivered.count<bytes>() == 0);
}

TEST_CASE_METHOD(asking, "Packets that wait for a session do not go to a peer "
                         "whose prefix was taken away meanwhile") {
  node other(home, loop.loop, 2);
  auto update = with(other.key(), {"10.0.0.2/32", "10.0.0.4/32"});
  update.set(&peer_config::endpoint, other.address);
  apply({update});
  const tunnel_end here{us, actor_of("10.0.0.2")};
  const tunnel_end there{other, other.spawn_peer(home, 0, us.as_peer())};
  other.allow({{"10.0.0.1/32", 0}});
  caf::anon_send(here.actor,
                 outgoing_of({udp_packet(1, 2, 3), udp_packet(1, 4, 3)}));
  apply({with(second, {"10.0.0.2/32"})});
  exchange(home, here, there);
  CHECK(other.delivered.take<bytes>()
        == std::vector<bytes>{udp_packet(1, 4, 3)}); // as before
  const auto& drops = status_of(other.key()).drops;
  CHECK(std::any_of(drops.begin(), drops.end(), [](const drop_count& count) {
    return count.reason == to_string(drop_reason::no_route)
           && count.packets == 1;
  }));
}

TEST_CASE_METHOD(asking, "A peer that was removed has ended when that is "
                         "answered, and its slot is free for other sessions") {
  auto update = with(first, {"10.0.0.1/32"});
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  update.set(&peer_config::persistent_keepalive, 25s);
  apply({update});
  const auto slot = *slot_of("10.0.0.1");
  const auto before = initiation_index(us.socket.next<outgoing_datagrams>());
  apply({without(first)});
  CHECK(us.socket.take<finish_sending>().size() == 1);
  us.socket.take<outgoing_datagrams>();
  auto next = update;
  next.public_key = second;
  apply({next});
  CHECK(slot_of("10.0.0.1") == slot);
  const auto after = initiation_index(us.socket.next<outgoing_datagrams>());
  CHECK(us.indices->slot(after) == slot);
  CHECK(us.indices->generation(after)
        == (us.indices->generation(before) + 1) % 4096);
}

TEST_CASE_METHOD(asking,
                 "The indices of a slot go on after all peers have left, "
                 "too") {
  auto update = with(first, {"10.0.0.1/32"});
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.1:5"));
  update.set(&peer_config::persistent_keepalive, 25s);
  apply({update});
  const auto before = initiation_index(us.socket.next<outgoing_datagrams>());
  device_update none;
  none.replace_peers = true;
  apply(none);
  us.socket.take<outgoing_datagrams>();
  apply({update});
  const auto after = initiation_index(us.socket.next<outgoing_datagrams>());
  CHECK(us.indices->generation(after)
        == (us.indices->generation(before) + 1) % 4096);
}

TEST_CASE_METHOD(asking, "Somebody who never takes a change over holds up its "
                         "answer for a while only") {
  const auto kept = withhold<routes_changed>(reader);
  ask(update_of({with(first, {"10.0.0.1/32"})}));
  asked->next<bool>();
  home.advance(5s - 1ns);
  CHECK(answers->count<config_changes>() == 0);
  home.advance(1ns);
  answers->next<config_changes>();
  release(reader, kept);
}

TEST_CASE_METHOD(asking,
                 "Peers learn of a new key however late the others take "
                 "it over") {
  apply({talkative(first, "10.0.0.1/32")});
  us.socket.next<outgoing_datagrams>();
  const auto kept = withhold<routes_changed>(reader);
  deterministic_random random{99};
  ask(change_identity{std::make_shared<identity>(generate_private_key(random)),
                      true});
  asked->next<bool>();
  home.advance(5s); // it has patience
  answers->next<config_changes>();
  report();
  CHECK(us.socket.count<outgoing_datagrams>() == 0);
  release(reader, kept);
  us.socket.next<outgoing_datagrams>(); // a handshake with the new key
}

TEST_CASE_METHOD(asking, "Of two changes of the key that overtake each other "
                         "the later one stays in force") {
  apply({talkative(first, "10.0.0.1/32")});
  us.socket.next<outgoing_datagrams>();
  const auto kept = withhold<routes_changed>(reader);
  deterministic_random random{99};
  const auto next = std::make_shared<identity>(generate_private_key(random));
  ask(change_identity{next, true});
  asked->next<bool>();
  ask(change_identity{next, false}); // nobody speaks any more
  asked->next<bool>();
  for (const auto late : {1U, 0U}) {
    reader.run([&] { kept->at(late).deliver(caf::unit_t{}); });
    answers->next<config_changes>();
  }
  report(); // the peer has taken in all that it was told
  us.socket.settle();
  CHECK(us.socket.count<outgoing_datagrams>() == 0);
}

TEST_CASE_METHOD(asking,
                 "When all sessions shall begin anew with the same key, "
                 "peers do not wait for anybody") {
  apply({talkative(first, "10.0.0.1/32")});
  us.socket.next<outgoing_datagrams>();
  const auto kept = withhold<routes_changed>(reader);
  ask(change_identity{us.self, true});
  us.socket.next<outgoing_datagrams>();
  CHECK(answers->count<config_changes>() == 0);
  release(reader, kept);
  answers->next<config_changes>();
  report();
  us.socket.settle();
  CHECK(us.socket.count<outgoing_datagrams>() == 0); // they are told once
}

TEST_CASE_METHOD(asking,
                 "IPv4-mapped addresses are taken as the IPv4 addresses "
                 "that they stand for") {
  const auto mapped = [](const std::string& text) {
    const auto v4 = *parse_ip_address(text);
    ip_address v6{ip_family::v6, {}};
    v6.bytes[10] = v6.bytes[11] = std::byte{0xff};
    std::copy_n(v4.bytes.begin(), 4, v6.bytes.begin() + 12);
    return v6;
  };
  const auto where = endpoint_of("192.0.2.1:5");
  const endpoint_config same{endpoint{mapped("192.0.2.1"), 5, 0}};
  auto update = with(first);
  update.set(&peer_config::endpoint, same);
  update.allowed_ips.push_back({{mapped("10.1.2.3"), 96 + 16}});
  apply({update, with(second, {"10.9.0.0/16"})});
  const auto configured = [this] {
    return home.ask<peer_configurations>(list, configuration_request{})
      .peers[0];
  };
  CHECK(slot_of("10.1.9.9"));
  CHECK(configured().allowed_ips == prefixes{prefix_of("10.1.0.0/16")});
  CHECK(configured().endpoint == endpoint_config{where});
  auto change = with(first);
  change.set(&peer_config::endpoint, same);
  apply({change});
  CHECK(changes.peers_changed == 0);
  CHECK(configured().endpoint == endpoint_config{where});
  change.allowed_ips.push_back({{mapped("10.1.0.0"), 96 + 16}, true});
  apply({change});
  CHECK_FALSE(slot_of("10.1.9.9"));
}

TEST_CASE_METHOD(asking, "Peers that fail hold up no answer") {
  apply({with(first, {"10.0.0.1/32"}), with(second, {"10.0.0.2/32"})});
  const auto failing = actor_of("10.0.0.1");
  caf::anon_send_exit(failing, caf::exit_reason::unhandled_exception);
  auto change = with(first);
  change.set(&peer_config::persistent_keepalive, 7s);
  apply({change, with(second, {"10.0.0.1/32"})});
  home.advance(1s); // it is started again a little later
  CHECK(status_of(first).persistent_keepalive == 7s);
}

TEST_CASE_METHOD(asking, "While many peers are added, others have their turn") {
  std::vector<patch<peer_config>> many;
  for (unsigned i = 0; i < 5000; ++i)
    many.push_back(with(key_number(i)));
  // The registry finds both in its mailbox.
  auto& self = home.self();
  auto change = self->request(list, caf::infinite, update_of(many));
  auto question = self->request(list, caf::infinite, configuration_request{});
  home.settle();
  const auto failed = [](const caf::error&) { FAIL("it is refused"); };
  question.receive(
    [](const peer_configurations& peers) { CHECK(peers.peers.size() < 5000); },
    failed);
  change.receive(
    [](const config_changes& made) { CHECK(made.peers_added == 5000); },
    failed);
  const auto error
    = home.try_ask<config_changes>(list, update_of({with(first)}));
  CHECK(error); // the next change is welcome
}

TEST_CASE_METHOD(asking, "A peer with the node's own key is left out, and that "
                         "is said") {
  auto self = with(us.key(), {"10.0.0.1/32"});
  self.set(&peer_config::name, "mirror");
  const auto told = home.ask<config_changes>(list, update_of({self}));
  CHECK(told.peers_added == 0);
  REQUIRE(told.notes.size() == 1);
  CHECK_THAT(told.notes[0], Catch::Contains("'mirror' is left out"));
  deterministic_random random{99};
  const auto next = std::make_shared<identity>(generate_private_key(random));
  apply({with(next->public_static())});
  const auto gone = home.ask<config_changes>(list, change_identity{next, true});
  CHECK(gone.peers_removed == 1);
  REQUIRE(gone.notes.size() == 1);
  CHECK_THAT(gone.notes[0], Catch::Contains("this node's own public key"));
}

TEST_CASE_METHOD(asking, "The registry says beforehand which changes it would "
                         "refuse") {
  const auto check = [this](const device_update& update) {
    return home.command(
      list, check_update{std::make_shared<const device_update>(update)});
  };
  auto one = with(first);
  one.set(&peer_config::name, "alpha");
  apply({one});
  auto other = with(second);
  other.set(&peer_config::name, "alpha");
  CHECK(error_code(check(update_of({other}))) == EEXIST);
  auto everything = with(second);
  everything.set(&peer_config::default_route, true);
  auto as_well = with(third);
  as_well.set(&peer_config::default_route, true);
  CHECK(error_code(check(update_of({everything, as_well}))) == EEXIST);
  CHECK_FALSE(check(update_of({with(third)})));
  CHECK(keys() == std::vector{first});
}

TEST_CASE_METHOD(registered, "What a whole configuration replaces leaves the "
                             "peers of the network alone") {
  auto told = update_of({with(first, {"10.0.0.1/32"})});
  told.origin = peer_origin::network;
  apply(told);
  auto read = update_of({with(second, {"10.0.0.2/32"})});
  read.origin = peer_origin::file;
  apply(read);
  apply({with(third)}); // by command: a reload is to take it back
  const auto of_files
    = home.ask<peer_configurations>(list, configuration_request{}).peers;
  REQUIRE(of_files.size() == 2);
  CHECK(of_files[0].public_key == second);
  CHECK(of_files[1].public_key == third);
  device_update nothing;
  nothing.replace_peers = true;
  apply(nothing);
  CHECK(keys() == std::vector{first});
  CHECK(slot_of("10.0.0.1"));
}

TEST_CASE_METHOD(registered, "What peers ask of the host is what a "
                             "configuration of them would") {
  auto told = update_of({with(first, {"10.0.0.1/32"})});
  told.origin = peer_origin::network;
  apply(told);
  auto all = with(second);
  all.set(&peer_config::default_route, true);
  apply({all, with(third, {"10.2.0.0/16", "10.1.0.0/16", "::/0"})});
  for (const auto routes : {route_mode::manual, route_mode::automatic}) {
    const auto networks
      = home.ask<peer_networks>(list, networks_request{routes});
    interface_config interface;
    interface.routes = routes;
    CHECK(
      networks
      == networks_of(
        interface,
        home.ask<peer_configurations>(list, configuration_request{}).peers));
    CHECK(networks.all == full_tunnel{true, true});
    CHECK(networks.allowed.size() == (routes == route_mode::manual ? 0 : 2));
  }
}

TEST_CASE_METHOD(registered, "Whoever adds a peer that is known hears what it "
                             "has lost") {
  auto known = with(first);
  known.set(&peer_config::name, "alpha");
  known.set(&peer_config::persistent_keepalive, 25s);
  apply({known});
  CHECK(changes.notes.empty());
  auto again = with(first);
  again.set(&peer_config::name, "alpha");
  again.clear(&peer_config::persistent_keepalive);
  again.clear(&peer_config::preshared_key);
  apply({again});
  CHECK(changes.notes
        == std::vector<std::string>{
          "alpha was known, and has lost: persistent_keepalive"});
  CHECK(status_of(first).persistent_keepalive == 0s);
}
