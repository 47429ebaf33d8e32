#include "actors/registry.hpp"

#include "tests/actors/node.hpp"

#include <spdlog/sinks/null_sink.h>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

public_key key_number(unsigned number) {
  public_key key;
  store_le(key.bytes.data(), number + 1);
  return key;
}

device_update update_of(std::vector<peer_update> peers) {
  device_update update;
  update.peers = std::move(peers);
  return update;
}

peer_update with(const public_key& key,
                 const std::vector<std::string>& prefixes = {}) {
  peer_update update;
  update.public_key = key;
  for (const auto& prefix : prefixes)
    update.allowed_ips.push_back({prefix_of(prefix)});
  return update;
}

peer_update without(const public_key& key) {
  peer_update update;
  update.public_key = key;
  update.remove = true;
  return update;
}

/// A registry with real peers, on a node whose neighbours are fakes.
struct registered {
  registered()
    : us(home, loop.loop, 1),
      list(home.spawn<registry>(
        loop.loop,
        std::vector{packet_loop{loop.loop, us.space, us.clock.handle()}},
        registry_neighbours{reader.handle(), us.socket.handle(), gate.handle(),
                            names.handle()},
        us.indices, change_identity{us.self, true},
        std::make_shared<spdlog::logger>(
          "test", std::make_shared<spdlog::sinks::null_sink_mt>()))) {
  }

  /// Applies a change and takes the snapshot that follows it.
  void apply(const device_update& update) {
    reader.take<routes_changed>();
    us.socket.take<routes_changed>();
    REQUIRE_FALSE(home.command(list, update));
    snapshot = reader.next<routes_changed>().snapshot;
    CHECK(us.socket.next<routes_changed>().snapshot == snapshot);
  }
  void apply(std::vector<peer_update> peers) {
    apply(update_of(std::move(peers)));
  }
  std::vector<peer_status> report(bool secrets = false) {
    return home.ask<registry_report>(list, report_request{secrets}).peers;
  }
  peer_status status_of(const public_key& key, bool secrets = false) {
    for (auto& status : report(secrets)) {
      if (status.public_key == key)
        return status;
    }
    FAIL("there is no such peer");
    return {};
  }
  std::vector<public_key> keys() {
    std::vector<public_key> all;
    for (const auto& status : report())
      all.push_back(status.public_key);
    return all;
  }
  std::optional<std::uint32_t> slot_of(const std::string& text) const {
    return snapshot->slot_of(*parse_ip_address(text));
  }
  peer_actor actor_of(const std::string& text) const {
    const auto slot = slot_of(text);
    const auto* actor = slot ? snapshot->peer(*slot) : nullptr;
    if (actor == nullptr)
      throw std::logic_error("nobody has " + text);
    return *actor;
  }
  /// What the gate knows, newest last.
  std::vector<peer_entry> entries() {
    home.ask<registry_report>(list, report_request{});
    gate.settle();
    std::vector<peer_entry> all;
    for (auto& changed : gate.take<peer_entries_changed>())
      all.insert(all.end(), changed.entries.begin(), changed.entries.end());
    return all;
  }

  world home;
  test_loop loop = home.start_loop();
  node us;
  fake<tun_reader_actor> reader{home};
  fake<handshake_gate_actor> gate{home};
  fake<resolver_actor> names{home};
  registry_actor list;
  routes_ptr snapshot;
};

const auto first = key_number(1);
const auto second = key_number(2);
const auto third = key_number(3);

using prefixes = std::vector<ip_prefix>;

prefixes sorted(prefixes all) {
  std::sort(all.begin(), all.end());
  return all;
}

} // namespace

TEST_CASE_METHOD(registered, "A new peer is made, and everybody who must know "
                             "hears of it") {
  auto update = with(first, {"10.0.0.1/32", "fd00::/8"});
  update.name = "alpha";
  update.endpoint = endpoint_of("192.0.2.1:5");
  update.persistent_keepalive = 25s;
  update.preshared_key = preshared_key{unhex_secret(std::string(64, '1'))};
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
  CHECK(status.preshared_key == *update.preshared_key);
  CHECK(status.restarts == 0);
  CHECK(sorted(status.allowed_ips)
        == sorted({prefix_of("10.0.0.1/32"), prefix_of("fd00::/8")}));
  CHECK(status_of(first).preshared_key.is_zero());
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
  update.endpoint = other.address;
  apply({update});
  const tunnel_end here{us, actor_of("10.0.0.2")};
  const tunnel_end there{other, other.spawn_peer(home, 0, us.as_peer())};
  other.allow({{"10.0.0.1/32", 0}});
  caf::anon_send(here.actor, outgoing_of({udp_packet(1, 2, 3)}));
  exchange(home, here, there);
  REQUIRE(other.delivered.count<bytes>() == 1);

  auto change = with(other.key(), {"10.0.7.0/24"});
  change.name = "beta";
  change.endpoint = endpoint_of("192.0.2.9:9");
  change.persistent_keepalive = 1000s;
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
  update.update_only = true;
  apply({update});
  CHECK(report().empty());
  CHECK_FALSE(slot_of("10.0.0.1"));
  apply({with(first)});
  apply({update});
  CHECK(slot_of("10.0.0.1"));
}

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
  update.endpoint = endpoint_of("192.0.2.1:5");
  apply({update});
  const tunnel_end end{us, actor_of("10.0.0.2")};
  caf::anon_send(list, change_identity{us.self, false});
  CHECK_FALSE(gate.next<change_identity>().link_up);
  caf::anon_send(end.actor, session_wanted{});
  CHECK(end.sent(home).empty());
  // A peer that is added while the link is down is silent too.
  auto keeping = with(second, {"10.0.0.3/32"});
  keeping.endpoint = endpoint_of("192.0.2.2:5");
  keeping.persistent_keepalive = 25s;
  apply({keeping});
  CHECK(tunnel_end{us, actor_of("10.0.0.3")}.sent(home).empty());
  caf::anon_send(list, change_identity{us.self, true});
  CHECK(us.socket.next<outgoing_datagrams>().path.remote
        == endpoint_of("192.0.2.2:5"));
}

TEST_CASE_METHOD(registered, "A peer that failed is started again alone, as it "
                             "was configured") {
  auto update = with(first, {"10.0.0.1/32"});
  update.name = "alpha";
  update.endpoint = endpoint_of("192.0.2.1:5");
  update.preshared_key = preshared_key{unhex_secret(std::string(64, '1'))};
  update.persistent_keepalive = 25s;
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
  for (std::uint64_t restarts = 1; restarts <= 3; ++restarts) {
    const auto now = actor_of("10.0.0.1");
    caf::anon_send_exit(now, caf::exit_reason::unhandled_exception);
    snapshot = reader.next<routes_changed>().snapshot;
    CHECK(actor_of("10.0.0.1") != now);
    CHECK(slot_of("10.0.0.1") == slot);
    CHECK(actor_of("10.0.0.2") == untouched);
    CHECK(status_of(first).restarts == restarts);
    CHECK(status_of(second).restarts == 0);
  }
  const auto heard = entries();
  REQUIRE(heard.size() == 3);
  CHECK(heard.back().key == first);
  CHECK(heard.back().actor == actor_of("10.0.0.1"));
  CHECK(heard.back().configured_endpoint == endpoint_of("192.0.2.1:5"));
  const auto status = status_of(first, true);
  CHECK(status.name == "alpha");
  CHECK(status.endpoint == endpoint_of("192.0.2.1:5"));
  CHECK(status.preshared_key == *update.preshared_key);
  CHECK(status.persistent_keepalive == 25s);
  // Its indices begin behind those that the former one may have used.
  const auto next = index_of_next();
  CHECK(us.indices->slot(next) == slot);
  CHECK((us.indices->generation(next) - us.indices->generation(index)) % 4096
        >= 64);
}

TEST_CASE_METHOD(registered, "A host name is looked up, and its peer is told") {
  auto update = with(first, {"10.0.0.1/32"});
  const host_endpoint host{"beta.example.net", 51820};
  update.endpoint = host;
  apply({update});
  const auto asked = names.next<resolve_endpoint>();
  CHECK(asked.peer == first);
  CHECK(asked.host == host);
  CHECK(asked.asker == list);
  CHECK_FALSE(status_of(first).endpoint);
  CHECK(status_of(first).endpoint_host == "beta.example.net:51820");
  const auto found = endpoint_of("203.0.113.1:51820");
  entries();
  caf::anon_send(list, endpoint_resolved{first, host, found});
  CHECK(status_of(first).endpoint == found);
  CHECK(entries().back().configured_endpoint == found);
  // Answers that come too late count no more.
  caf::anon_send(list, endpoint_resolved{first, {"old.example.net", 1},
                                         endpoint_of("203.0.113.66:1")});
  caf::anon_send(list, endpoint_resolved{second, host, found});
  CHECK(status_of(first).endpoint == found);
  update = with(first);
  update.endpoint = endpoint_of("192.0.2.4:4");
  apply({update});
  caf::anon_send(list, endpoint_resolved{first, host, found});
  CHECK(status_of(first).endpoint == endpoint_of("192.0.2.4:4"));
  CHECK(status_of(first).endpoint_host.empty());
}

TEST_CASE_METHOD(registered, "Ten thousand peers are added, changed and "
                             "removed as one") {
  std::vector<peer_update> all;
  constexpr unsigned count = 10'000;
  const auto address = [](unsigned i) {
    return "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250);
  };
  for (unsigned i = 0; i < count; ++i)
    all.push_back(with(key_number(i), {address(i) + "/32"}));
  const auto start = boot_now();
  apply(all);
  CHECK(boot_now() - start < 15s);
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

TEST_CASE_METHOD(registered, "A registry that ends takes its peers along") {
  apply({with(first, {"10.0.0.1/32"}), with(second, {"10.0.0.2/32"})});
  const auto one = actor_of("10.0.0.1");
  const auto two = actor_of("10.0.0.2");
  home.end(list);
  CHECK(home.await_end(one) == caf::exit_reason::user_shutdown);
  CHECK(home.await_end(two) == caf::exit_reason::user_shutdown);
}
