// What control messages look like on their way.
#include "messages/control.hpp"
#include "tests/actors/support.hpp"
#include "tests/protocol/support.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/deep_to_string.hpp>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

template <class T>
std::vector<char> to_bytes(world& home, T value) {
  std::vector<char> bytes;
  caf::binary_serializer sink{home.system(), bytes};
  REQUIRE_FALSE(sink(value));
  return bytes;
}

template <class T>
T there_and_back(world& home, const T& value) {
  const auto bytes = to_bytes(home, value);
  caf::binary_deserializer source{home.system(), bytes};
  T result;
  if (auto error = source(result))
    FAIL(home.system().render(error));
  return result;
}

node_config full_config() {
  deterministic_random random{7};
  node_config config;
  config.interface.name = "weft3";
  config.interface.private_key = generate_private_key(random);
  config.interface.addresses = {*parse_ip_prefix("10.0.0.1/24")};
  config.interface.cluster_networks = {*parse_ip_prefix("fd00::/16")};
  config.interface.mtu = 1280;
  config.interface.fwmark = 77;
  config.log = {log_level::debug, log_format::json};
  peer_config named;
  named.name = "beta";
  named.public_key = derive_public_key(generate_private_key(random));
  named.preshared_key = preshared_key{generate_private_key(random).bytes()};
  named.endpoint = host_endpoint{"beta.example.net", 51820};
  named.allowed_ips = {*parse_ip_prefix("10.0.0.2/32")};
  named.persistent_keepalive = 25s;
  peer_config bare;
  bare.public_key = derive_public_key(generate_private_key(random));
  config.peers = {named, bare};
  return config;
}

} // namespace

TEST_CASE("A configuration arrives as it was sent") {
  world home;
  const auto config = full_config();
  CHECK(there_and_back(home, apply_config{config}).config == config);
  auto numeric = config.peers[0];
  numeric.endpoint = *parse_endpoint("[2001:db8::1]:51820");
  CHECK(there_and_back(home, add_peer{numeric}).peer == numeric);
}

TEST_CASE("A change arrives with what it says, and without what it does not") {
  world home;
  patch<peer_config> update;
  update.public_key.bytes[0] = std::byte{1};
  CHECK(there_and_back(home, update_peer{update}).update == update);
  update.set(&peer_config::name, "");
  update.set(&peer_config::preshared_key, preshared_key{});
  update.set(&peer_config::endpoint, *parse_endpoint("192.0.2.1:1"));
  update.set(&peer_config::persistent_keepalive, 0s);
  update.replace_allowed_ips = true;
  update.allowed_ips = {{*parse_ip_prefix("10.0.0.0/8"), true}};
  CHECK(there_and_back(home, update_peer{update}).update == update);
}

TEST_CASE("An endpoint that is cleared is told from one that is kept") {
  world home;
  patch<peer_config> update;
  update.public_key.bytes[0] = std::byte{1};
  update.verb = peer_verb::update;
  update.clear(&peer_config::endpoint);
  const auto got = there_and_back(home, update_peer{update}).update;
  CHECK(got == update);
  CHECK(got.clears(&peer_config::endpoint));
  CHECK(got.find(&peer_config::name) == nullptr);
}

TEST_CASE("A status arrives without secrets") {
  world home;
  const auto config = full_config();
  device_status status;
  status.interface = "weft3";
  status.private_key = config.interface.private_key;
  status.listen = *parse_endpoint("0.0.0.0:5");
  status.peers.resize(2);
  auto& peer = status.peers[0];
  peer.public_key = config.peers[0].public_key;
  peer.preshared_key = config.peers[0].preshared_key;
  peer.endpoint = *parse_endpoint("192.0.2.1:1");
  peer.last_handshake = wall_time{1'700'000'000s};
  peer.session_age = 9s;
  peer.state = {peer_word::failing, "no answer", wall_time{1'700'000'001s}, 7};
  status.version = "1.2";
  status.started = wall_time{1'600'000'000s};
  status.addresses = {*parse_ip_prefix("10.0.0.1/24")};
  status.routes = {*parse_ip_prefix("10.0.0.0/8")};
  status.link_up = false;
  peer.drops = {{"no_route", 3}};
  status.events = {{"peer_up", 4}};
  status.events_lost = 5;
  status.pools = {{"incoming", 4, 1, 9}};
  status.send_queue = 2;
  status.cores = {3, 1, true, 40, 20, 10};
  status.access
    = {1, 2, {{"ca", "weft", wall_time{1'800'000'000s}}}, "it is older"};
  const auto got = there_and_back(home, status);
  CHECK(got.private_key.is_zero());
  REQUIRE(got.peers.size() == 2);
  CHECK(got.peers[0].preshared_key.is_zero());
  CHECK(got.peers[0].endpoint == peer.endpoint);
  CHECK(got.peers[0].last_handshake == peer.last_handshake);
  CHECK(got.peers[0].session_age == 9s);
  CHECK(got.peers[0].state == peer.state);
  CHECK(got.version == status.version);
  CHECK(got.started == status.started);
  CHECK(got.addresses == status.addresses);
  CHECK(got.routes == status.routes);
  CHECK_FALSE(got.link_up);
  CHECK(got.peers[0].drops.at(0).packets == 3);
  CHECK(got.events == status.events);
  CHECK(got.events_lost == 5);
  CHECK(got.pools == status.pools);
  CHECK(got.send_queue == 2);
  CHECK(got.cores == status.cores);
  CHECK(got.access == status.access);
  CHECK_FALSE(got.peers[1].endpoint);
  CHECK_FALSE(got.peers[1].last_handshake);
}

TEST_CASE("A batch of events is the same on the other side") {
  world home;
  overlay_event event;
  event.kind = event_kind::peer_down;
  event.when = wall_time{1'700'000'000s};
  event.interface = "weft3";
  event.peer.bytes[31] = std::byte{9};
  event.reason = "no handshake";
  const auto got = there_and_back(home, event_batch{12, {event, {}}});
  CHECK(got.first == 12);
  REQUIRE(got.events.size() == 2);
  CHECK(got.events[0].kind == event.kind);
  CHECK(got.events[0].when == event.when);
  CHECK(got.events[0].peer == event.peer);
  CHECK(got.events[0].reason == event.reason);
  CHECK_FALSE(got.events[0].endpoint);
}

TEST_CASE("Bytes behind a request are refused") {
  world home;
  const auto refused = [&]<class T>(const T& message) {
    auto bytes = to_bytes(home, message);
    bytes.push_back('\0');
    caf::binary_deserializer source{home.system(), bytes};
    T result;
    return static_cast<bool>(source(result));
  };
  CHECK(refused(get_status{}));
  CHECK(refused(apply_config{full_config()}));
  CHECK(refused(reload_config{}));
  CHECK(refused(add_peer{full_config().peers[0]}));
  CHECK(refused(update_peer{}));
  CHECK(refused(remove_peer{}));
  CHECK(refused(set_endpoint{{}, *parse_endpoint("192.0.2.1:1")}));
  CHECK(refused(add_allowed_ip{}));
  CHECK(refused(remove_allowed_ip{}));
  CHECK(refused(check_handshake{}));
  CHECK(refused(generate_keys{}));
  CHECK(refused(set_log_level{}));
  CHECK(refused(shut_down{}));
  CHECK(refused(begin_handshake{}));
  CHECK(refused(get_configuration{}));
  CHECK(refused(expect_file{}));
  CHECK(refused(confirm_config{}));
  CHECK(refused(reset_peer{}));
  CHECK(refused(set_offloads{}));
  CHECK(refused(subscribe{}));
  CHECK(refused(unsubscribe{}));
}

TEST_CASE("What is none of its kind is refused") {
  world home;
  const auto bytes = to_bytes(home, std::string{"10.0.0.0/99"});
  caf::binary_deserializer source{home.system(), bytes};
  ip_prefix prefix;
  CHECK(source(prefix));
  const auto level = to_bytes(home, std::uint8_t{200});
  caf::binary_deserializer numbers{home.system(), level};
  set_log_level wanted;
  CHECK(numbers(wanted));
}

TEST_CASE("No key is in a message's text for people") {
  const auto config = full_config();
  const auto text = caf::deep_to_string(apply_config{config});
  CHECK_THAT(text, Catch::Contains("10.0.0.2/32"));
  CHECK_THAT(text,
             !Catch::Contains(to_base64(config.interface.private_key.bytes())));
  CHECK_THAT(
    text, !Catch::Contains(to_base64(config.peers[0].preshared_key.bytes())));
}
