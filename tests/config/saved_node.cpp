#include "config/saved_node_format.hpp"
#include "tests/catch.hpp"
#include "tests/config/support.hpp"
#include "tests/protocol/support.hpp"
#include "tests/sim/network.hpp"

#include <algorithm>
#include <numeric>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr time_point now{1000s};

/// A session with keys, and a handshake under way, as the simulated network
/// brings them about.
session_state busy_session() {
  pair_network net(7);
  for (int i = 0; i < 40; ++i) {
    net.send_packet(i % 2 == 0 ? net.a : net.b, 200);
    net.run_for(4s);
  }
  net.lose_all();
  net.send_packet(net.a, 100);
  net.run_for(20s);
  return net.session(net.a).save();
}

saved_node example() {
  deterministic_random random{5};
  saved_node node;
  node.taken = now - 2s;
  auto& interface = node.interface;
  interface.private_key = generate_private_key(random);
  interface.addresses = {*parse_ip_prefix("10.0.0.1/24")};
  interface.dns = {"10.0.0.53", "example.net"};
  interface.routes = route_mode::automatic;
  interface.kill_switch = true;
  node.port = 51820;
  node.fwmark = 0x42;
  node.log.level = log_level::debug;
  node.offloads = {offload_mode::on, offload_mode::off, offload_mode::on};
  node.file_digest = "abc";
  random.fill(node.indices.key.bytes());
  node.cookies.emplace();
  random.fill(node.cookies->cookie_secret.bytes());
  node.cookies->made = now - 10s;
  node.generations = {1, 0xffffffff, 3};
  auto& busy = node.peers.emplace_back();
  busy.slot = 0;
  busy.origin = peer_origin::command;
  busy.session.emplace();
  busy.session->session = busy_session();
  busy.session->up_until = now + 100s;
  busy.config.public_key = busy.session->session.values.peer;
  busy.session->session.values.slot = 0;
  busy.config.name = "busy";
  busy.config.allowed_ips = {*parse_ip_prefix("10.0.0.2/32")};
  busy.config.endpoint = host_endpoint{"busy.example.net", 51820};
  random.fill(busy.config.preshared_key.bytes());
  busy.address = parse_endpoint("[fe80::1%3]:51820");
  busy.restarts = 4;
  auto& quiet = node.peers.emplace_back();
  quiet.slot = 2;
  quiet.config.public_key = derive_public_key(generate_private_key(random));
  quiet.config.endpoint = *parse_endpoint("192.0.2.7:51820");
  quiet.config.persistent_keepalive = 25s;
  auto& lost = quiet.lost.emplace();
  lost.remote = parse_endpoint("192.0.2.8:51820");
  random.fill(lost.newest_initiation);
  lost.last_stamp = wall_time{12345s};
  lost.generation = 17;
  lost.session_lost = true;
  node.deprived = {quiet.config.public_key};
  return node;
}

/// A field with this value, added to a record.
void add(secret_bytes& record, std::string_view name,
         const secret_bytes& value = {}) {
  const auto letters = std::as_bytes(std::span{name});
  byte_array<sizeof(std::uint32_t)> size{};
  store_le(size.data(), static_cast<std::uint32_t>(value.size()));
  record.push_back(static_cast<std::byte>(name.size()));
  record.insert(record.end(), letters.begin(), letters.end());
  record.insert(record.end(), size.begin(), size.end());
  record.insert(record.end(), value.begin(), value.end());
}

std::string refusal_of(const_byte_span bytes, time_point at = now) {
  const auto read = parse_saved_node(bytes, at);
  return read ? "" : read.error();
}

} // namespace

TEST_CASE("What a node leaves is read as it was written") {
  const auto node = example();
  const auto bytes = format_saved_node(node);
  const auto read = parse_saved_node(bytes, now);
  if (!read)
    FAIL(read.error());
  CHECK(format_saved_node(*read) == bytes);
  CHECK(read->taken == node.taken);
  CHECK(read->interface == node.interface);
  CHECK(read->port == node.port);
  CHECK(read->fwmark == node.fwmark);
  CHECK(read->log == node.log);
  CHECK(read->offloads == node.offloads);
  CHECK(read->generations == node.generations);
  CHECK(read->deprived == node.deprived);
  CHECK(read->indices.key == node.indices.key);
  REQUIRE(read->cookies);
  CHECK(read->cookies->cookie_secret == node.cookies->cookie_secret);
  REQUIRE(read->peers.size() == 2);
  const auto& busy = read->peers[0];
  CHECK(busy.config == node.peers[0].config);
  CHECK(busy.origin == peer_origin::command);
  CHECK(busy.address == node.peers[0].address);
  CHECK(busy.restarts == 4);
  REQUIRE(busy.session);
  const auto& former = node.peers[0].session->session;
  const auto& session = busy.session->session;
  REQUIRE(former.keys.current);
  REQUIRE(session.keys.current);
  CHECK(session.keys.current->send == former.keys.current->send);
  CHECK(session.keys.current->send_counter
        == former.keys.current->send_counter);
  CHECK(session.values.path == former.values.path);
  CHECK(session.values.deadlines.next() == former.values.deadlines.next());
  REQUIRE(former.values.pending);
  REQUIRE(session.values.pending);
  CHECK(session.values.pending->index == former.values.pending->index);
  CHECK(session.values.sent.bytes == former.values.sent.bytes);
  CHECK_FALSE(read->peers[1].session);
  REQUIRE(read->peers[1].lost);
  const auto& lost = *read->peers[1].lost;
  CHECK(lost.remote == node.peers[1].lost->remote);
  CHECK_FALSE(lost.proven);
  CHECK(lost.newest_initiation == node.peers[1].lost->newest_initiation);
  CHECK(lost.last_stamp == node.peers[1].lost->last_stamp);
  CHECK(lost.generation == 17);
  CHECK(lost.session_lost);
  CHECK(read->peers[1].config == node.peers[1].config);
}

TEST_CASE("A node's state is read by programs one version up and down, and by "
          "no others") {
  const auto node = example();
  CHECK(refusal_of(format_saved_node(node, saved_node_version - 1)).empty());
  CHECK(refusal_of(format_saved_node(node, saved_node_version + 1)).empty());
  CHECK(refusal_of(format_saved_node(node, saved_node_version + 2))
        == "its format is version 3, and this program knows version 1");
}

TEST_CASE("Fields of a node's state that the reader does not know are ignored, "
          "unless they must not be") {
  const auto with_field = [](char first) {
    auto bytes = format_saved_node(example());
    for (const auto letter :
         {char{2}, first, 'x', char{1}, char{0}, char{0}, char{0}, char{9}})
      bytes.push_back(static_cast<std::byte>(letter));
    return bytes;
  };
  CHECK(refusal_of(with_field('y')).empty());
  CHECK(refusal_of(with_field('!'))
        == "it holds '!x', which this program does not know");
}

TEST_CASE("A node's state that is old, or of the time to come, is refused") {
  const auto bytes = format_saved_node(example());
  const auto text = "it is older than 60 s, or of another start of this host";
  CHECK(refusal_of(bytes, now + 58s).empty());
  CHECK(refusal_of(bytes, now + 59s) == text);
  CHECK(refusal_of(bytes, now - 3s) == text);
}

TEST_CASE("A node's state that is damaged is refused") {
  const auto bytes = format_saved_node(example());
  for (std::size_t size = 0; size < bytes.size(); size += 7)
    CHECK_FALSE(refusal_of(const_byte_span{bytes}.first(size)).empty());
  auto other = example();
  other.peers[1].slot = 7;
  CHECK(refusal_of(format_saved_node(other))
        == "the slots of its peers are damaged");
  other = example();
  other.peers[1].config.public_key = other.peers[0].config.public_key;
  CHECK(refusal_of(format_saved_node(other)) == "it has a peer twice");
  other = example();
  other.peers[0].session->session.keys.current->send_counter
    = limits::reject_after_messages + 1;
  CHECK(refusal_of(format_saved_node(other))
        == "the session of a peer is damaged");
}

TEST_CASE("A node's state that would be much larger as values is refused") {
  auto bytes = format_saved_node(example());
  constexpr std::size_t count = 10'000;
  SECTION("for its lists are long") {
    for (std::size_t i = 0; i < count; ++i)
      add(bytes, "peers");
    CHECK(refusal_of(bytes) == "its list 'peers' is too long");
  }
  SECTION("for what stands alone in its records is large") {
    secret_bytes peer;
    add(peer, "session");
    add(peer, "unknown", secret_bytes(30)); // the list alone is no longer
    for (std::size_t i = 0; i < count; ++i)
      add(bytes, "peers", peer);
    CHECK(refusal_of(bytes) == "it is too large");
  }
}

TEST_CASE("The windows of sessions are read as they were written") {
  auto node = example();
  replay_window::state window;
  window.next = 8000;
  SECTION("most of it is new") {
    window.seen[3] = 0x55;
  }
  SECTION("no two words of it are equal, so that it is not packed") {
    std::iota(window.seen.begin(), window.seen.end(), 1);
  }
  node.peers[0].session->session.keys.current->window = replay_window{window};
  const auto read = parse_saved_node(format_saved_node(node), now);
  REQUIRE(read);
  const auto& keys = read->peers[0].session->session.keys;
  CHECK(keys.current->window.save().next == window.next);
  CHECK(keys.current->window.save().seen == window.seen);
}

TEST_CASE("A node's state in which the window of a session is damaged is "
          "refused") {
  auto bytes = format_saved_node(example());
  constexpr std::string_view name = "\4seen";
  const auto letters = std::as_bytes(std::span{name});
  const auto at
    = std::search(bytes.begin(), bytes.end(), letters.begin(), letters.end());
  REQUIRE(at != bytes.end());
  auto& first_run = *(at + name.size() + sizeof(std::uint32_t));
  first_run = std::byte{127};
  CHECK(refusal_of(bytes) == "its field 'seen' is damaged");
}

TEST_CASE("A node's state without a key that it must have is refused") {
  auto other = example();
  other.peers[0].session->session.keys.current->send = {};
  CHECK(refusal_of(format_saved_node(other))
        == "the session of a peer is damaged");
  other = example();
  other.indices.key = {};
  CHECK(refusal_of(format_saved_node(other)) == "a key is missing");
  other = example();
  other.cookies->cookie_secret = {};
  CHECK(refusal_of(format_saved_node(other)) == "a key is missing");
}

TEST_CASE("A saved session leaves counters out, and never more than there "
          "are") {
  auto state = busy_session();
  auto& counter = state.keys.current->send_counter;
  const auto before = counter;
  leave_out_counters(state);
  CHECK(counter == before + left_out_counters);
  counter = limits::reject_after_messages - 5;
  leave_out_counters(state);
  CHECK(counter == limits::reject_after_messages);
}
