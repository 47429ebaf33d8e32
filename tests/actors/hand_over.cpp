// An overlay takes the place of another one, over real sockets.
#include "platform/hand_over.hpp"

#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/leaks.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string_view>

using namespace weft;
using namespace weft::test;

namespace {

overlay_root_actor root_of(const embedded_overlay& overlay) {
  return caf::actor_cast<overlay_root_actor>(overlay.running.actor);
}

peer_status only_peer(embedded_overlay& overlay) {
  const auto status = overlay.status();
  REQUIRE(status.peers.size() == 1);
  return status.peers[0];
}

/// Datagrams that were refused because their counter was seen before.
std::uint64_t replayed(embedded_overlay& overlay) {
  std::uint64_t all = 0;
  for (const auto& peer : overlay.status().peers)
    for (const auto& count : peer.drops)
      if (count.reason == to_string(drop_reason::replayed))
        all += count.packets;
  return all;
}

/// The overlay stands still, and says what it leaves.
overlay_left freeze_overlay(world& home, const embedded_overlay& overlay) {
  return home.ask<overlay_left>(root_of(overlay), hand_over{});
}

/// A successor of `former` takes its place, with all that it has left.
std::unique_ptr<embedded_overlay>
succeed(world& home, random_source& random, embedded_overlay& former,
        std::uint8_t number) {
  auto left = freeze_overlay(home, former);
  CHECK_FALSE(home.command(root_of(former), leave{}));
  home.await_end(former.running.actor);
  former.running = {};
  auto successor = std::make_unique<embedded_overlay>(home, random, number);
  successor->key = former.key;
  successor->options.inherited
    = inherited_overlay{left.state, std::move(*left.descriptors)};
  left = {};
  successor->start({});
  return successor;
}

std::uint32_t packet_number = 0;

/// A packet of each to the other, both of which arrive.
void talk(embedded_overlay& one, embedded_overlay& other) {
  ++packet_number;
  const auto there = numbered_packet(1, 2, packet_number);
  const auto back = numbered_packet(2, 1, packet_number);
  REQUIRE(one.send({there}) == 1);
  CHECK(other.next() == there);
  REQUIRE(other.send({back}) == 1);
  CHECK(one.next() == back);
}

} // namespace

TEST_CASE("Overlays that take each other's place go on with one session, and "
          "the peer sees no handshake and no counter twice") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  const auto before = only_peer(pair.right);
  REQUIRE(before.last_handshake);
  std::vector<std::unique_ptr<embedded_overlay>> successors;
  auto* left = &pair.left;
  const auto port = left->running.port;
  for (int round = 0; round < 5; ++round) {
    successors.push_back(succeed(pair.home, pair.random, *left, 1));
    left = successors.back().get();
    CHECK(left->running.port == port);
    talk(*left, pair.right);
    talk(*left, pair.right);
  }
  const auto after = only_peer(pair.right);
  CHECK(after.last_handshake == before.last_handshake);
  CHECK(after.endpoint == before.endpoint);
  CHECK(after.rx_packets == before.rx_packets + 10);
  CHECK(replayed(pair.right) == 0);
  const auto own = only_peer(*left);
  CHECK(own.state.word == peer_word::up);
  CHECK(own.tx_packets == after.rx_packets);
  CHECK(own.rx_packets == after.tx_packets);
  CHECK(own.last_handshake);
}

TEST_CASE("What comes while an overlay stands still is read by its successor") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  auto left = freeze_overlay(pair.home, pair.right);
  std::vector<bytes> packets;
  for (std::uint32_t number = 1000; number < 1064; ++number)
    packets.push_back(numbered_packet(1, 2, number));
  REQUIRE(pair.left.send(packets) == packets.size());
  CHECK_FALSE(pair.home.command(root_of(pair.right), leave{}));
  pair.home.await_end(pair.right.running.actor);
  CHECK(pair.right.log->count<bytes>() == 0);
  embedded_overlay successor{pair.home, pair.random, 2};
  successor.options.inherited
    = inherited_overlay{left.state, std::move(*left.descriptors)};
  successor.start({});
  std::vector<bytes> got;
  while (got.size() < packets.size())
    got.push_back(successor.next());
  CHECK(got == packets);
}

TEST_CASE("An overlay that is about to leave still carries packets, and what "
          "outlives it is written by then") {
  deterministic_random random{51};
  std::atomic<int> writes = 0;
  world home;
  embedded_overlay left{home, random, 1};
  embedded_overlay right{home, random, 2};
  left.options.state.write = [&](const std::string&) -> result<void> {
    ++writes;
    return {};
  };
  right.start({&left});
  left.start({&right});
  talk(left, right);
  const auto root = root_of(left);
  CHECK_FALSE(home.command(root, prepare_to_leave{}));
  CHECK(writes > 0);
  talk(left, right);
  // What changes now would be missing in what was written.
  const auto change
    = home.try_ask<config_changes>(left.running.actor, remove_peer{right.key});
  REQUIRE_FALSE(change);
  CHECK(error_code(change.error()) == EBUSY);
  CHECK(error_code(home.command(root, set_log_level{log_level::debug}))
        == EBUSY);
  std::ignore = freeze_overlay(home, left);
  CHECK(error_code(home.command(root, prepare_to_leave{})) == EBUSY);
  CHECK_FALSE(home.command(root, leave{}));
}

TEST_CASE("An overlay whose place nobody takes goes on") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  const auto before = only_peer(pair.right);
  for (int round = 0; round < 3; ++round) {
    const auto left = freeze_overlay(pair.home, pair.left);
    const auto again
      = pair.home.try_ask<overlay_left>(root_of(pair.left), hand_over{});
    REQUIRE_FALSE(again);
    CHECK(error_code(again.error()) == EBUSY);
    const auto change = pair.home.try_ask<config_changes>(
      pair.left.running.actor, remove_peer{pair.right.key});
    REQUIRE_FALSE(change);
    CHECK(error_code(change.error()) == EBUSY);
    const auto root = root_of(pair.left); // nor is anything else lost unseen
    CHECK(error_code(pair.home.command(root, set_log_level{log_level::debug}))
          == EBUSY);
    CHECK(error_code(pair.home.command(root, expect_file{})) == EBUSY);
    const auto offloads
      = pair.home.try_ask<config_changes>(root, set_offloads{});
    REQUIRE_FALSE(offloads);
    CHECK(error_code(offloads.error()) == EBUSY);
    caf::anon_send(root_of(pair.left), thaw{});
    talk(pair.left, pair.right);
  }
  CHECK(only_peer(pair.right).last_handshake == before.last_handshake);
  CHECK(replayed(pair.right) == 0);
}

TEST_CASE("An overlay that stands still again, just after nobody took its "
          "place, reads nothing") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  const auto root = root_of(pair.left);
  std::ignore = freeze_overlay(pair.home, pair.left);
  for (int round = 0; round < 20; ++round) {
    caf::anon_send(root, thaw{});
    std::ignore = freeze_overlay(pair.home, pair.left);
  }
  const auto packet = numbered_packet(1, 2, 5000);
  caf::anon_send(pair.left.running.packets, send_packets{batch_of({packet})});
  std::ignore = pair.left.status(); // it is there by now
  caf::anon_send(root, thaw{});
  CHECK(pair.right.next() == packet);
}

TEST_CASE("An overlay that ends while its keys are forgotten answers whoever "
          "waits for that, and all of it ends") {
  deterministic_random random{51};
  world home;
  embedded_overlay one{home, random, 1};
  for (int number = 0; number < 300; ++number) {
    auto& peer = one.options.config.peers.emplace_back();
    peer.name = "peer" + std::to_string(number);
    peer.public_key = derive_public_key(generate_private_key(random));
  }
  one.start({});
  std::ignore = freeze_overlay(home, one);
  caf::scoped_actor waits{home.system()};
  auto asked = waits->request(root_of(one), patience, leave{});
  caf::anon_send(one.running.actor, shut_down{});
  int code = -1;
  asked.receive([&] { code = 0; },
                [&](const caf::error& why) { code = error_code(why); });
  CHECK((code == ESHUTDOWN || code == 0)); // 0: they were forgotten before
  home.await_end(one.running.actor);
  one.running = {};
}

TEST_CASE("An overlay whose machine was cloned while it stood still leaves its "
          "place to nobody") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  const auto root = root_of(pair.left);
  std::ignore = freeze_overlay(pair.home, pair.left);
  caf::anon_send(root, machine_cloned{});
  CHECK(error_code(pair.home.command(root, leave{})) == EBUSY);
  caf::anon_send(root, thaw{});
  talk(pair.left, pair.right);
}

TEST_CASE(
  "A successor whose machine was cloned before it began goes on with no "
  "key of the former overlay") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  const auto before = only_peer(pair.right).last_handshake;
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                       ends.data())
          == 0);
  file_descriptor watch{ends[0]};
  const file_descriptor kernel{ends[1]}; // as its device tells
  constexpr std::string_view event{"ACTION=change\0NEW_VMGENID=1\0", 28};
  REQUIRE(::write(kernel.get(), event.data(), event.size())
          == static_cast<ssize_t>(event.size()));
  auto left = freeze_overlay(pair.home, pair.left);
  CHECK_FALSE(pair.home.command(root_of(pair.left), leave{}));
  pair.home.await_end(pair.left.running.actor);
  auto& all = *left.descriptors;
  take(all, "machine");
  all.push_back({"machine", std::move(watch)});
  embedded_overlay successor{pair.home, pair.random, 1};
  successor.key = pair.left.key;
  successor.options.inherited = inherited_overlay{left.state, std::move(all)};
  successor.start({});
  talk(successor, pair.right);
  CHECK(only_peer(pair.right).last_handshake > before);
}

TEST_CASE("A peer whose actor had failed begins a new session with the "
          "successor, unasked") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  const auto before = only_peer(pair.right).last_handshake;
  auto left = freeze_overlay(pair.home, pair.left);
  CHECK_FALSE(pair.home.command(root_of(pair.left), leave{}));
  pair.home.await_end(pair.left.running.actor);
  auto& peer = left.state->peers.front();
  CHECK_FALSE(peer.lost);
  auto& lost = peer.lost.emplace();
  lost.remote = peer.session->session.values.path->remote;
  lost.newest_initiation = peer.session->session.values.newest_timestamp;
  lost.last_stamp = peer.session->session.values.last_timestamp;
  lost.generation = peer.session->session.values.generation;
  lost.session_lost = true;
  peer.session = {};
  embedded_overlay successor{pair.home, pair.random, 1};
  successor.key = pair.left.key;
  successor.options.inherited
    = inherited_overlay{left.state, std::move(*left.descriptors)};
  successor.start({});
  CHECK(
    eventually([&] { return only_peer(pair.right).last_handshake > before; }));
}

TEST_CASE("What an overlay leaves is refused where the successor's own "
          "configuration does not go with it") {
  embedded_pair pair;
  const auto left = freeze_overlay(pair.home, pair.left);
  const inherited_overlay offered{left.state, {}};
  overlay_options options;
  CHECK(check_inherited(options, offered));
  options.config.control.socket_folder = left.state->interface.socket_folder;
  const auto refused = check_inherited(options, offered);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("socket_folder"));
  caf::anon_send(root_of(pair.left), thaw{});
  talk(pair.left, pair.right);
}

TEST_CASE("A successor has the peers that commands have made, with their "
          "slots, and gives new ones the slots that are free") {
  embedded_pair pair;
  talk(pair.left, pair.right);
  deterministic_random random{77};
  std::vector<peer_config> made;
  for (std::uint8_t number = 10; number < 14; ++number) {
    auto& peer = made.emplace_back();
    peer.public_key = derive_public_key(generate_private_key(random));
    peer.name = "peer" + std::to_string(number);
    random.fill(peer.preshared_key.bytes());
    peer.allowed_ips
      = {*parse_ip_prefix("10.1." + std::to_string(number) + ".0/24")};
    pair.home.ask<config_changes>(pair.left.running.actor, add_peer{peer});
  }
  pair.home.ask<config_changes>(pair.left.running.actor,
                                remove_peer{made[1].public_key});
  const auto left = succeed(pair.home, pair.random, pair.left, 1);
  auto status = left->status();
  REQUIRE(status.peers.size() == 4);
  CHECK(status.peers[1].name == "peer10");
  CHECK(status.peers[2].name == "peer12");
  CHECK(status.peers[3].allowed_ips == made[3].allowed_ips);
  const auto secrets
    = pair.home.ask<device_status>(root_of(*left), report_request{true});
  CHECK(secrets.peers[2].preshared_key == made[2].preshared_key);
  pair.home.ask<config_changes>(left->running.actor, add_peer{made[1]});
  status = left->status();
  REQUIRE(status.peers.size() == 5);
  CHECK(status.peers[2].name == "peer11"); // the slot that was free
  talk(*left, pair.right);
}
