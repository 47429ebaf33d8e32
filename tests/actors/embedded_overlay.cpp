#include "messages/errors.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/leaks.hpp"
#include "tests/platform/support.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

using namespace weft;
using namespace weft::test;

namespace {

/// Packets of all sizes and both families; the receiver gets those of one
/// message before the next is sent.
void exchange_both_ways(embedded_pair& pair) {
  std::uint32_t number = 0;
  for (std::size_t round = 0; round < 20; ++round) {
    const bool back = round % 2 == 1;
    std::vector<bytes> packets;
    for (std::size_t i = 0; i < 32; ++i) {
      const bool v4 = i % 3 != 0;
      ++number;
      packets.push_back(numbered_packet(back ? 2 : 1, back ? 1 : 2, number,
                                        number * 37 % (1420 - 48 + 1), v4));
    }
    auto& from = back ? pair.right : pair.left;
    auto& to = back ? pair.left : pair.right;
    REQUIRE(from.send(packets) == packets.size());
    std::vector<bytes> got;
    while (got.size() < packets.size())
      got.push_back(to.next());
    REQUIRE(got == packets);
  }
}

/// The exit code of `action` in a child that is an ordinary user.
int as_ordinary_user(const std::function<int()>& action) {
  return in_child([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0))
      return 2;
    if (::setuid(0) == 0)
      return 3;
    try {
      return action();
    } catch (...) {
      return 4;
    }
  });
}

} // namespace

TEST_CASE("Two overlays of one process talk through packet ports, byte for "
          "byte and both ways") {
  embedded_pair pair;
  CHECK(pair.left.running.interface == "weft1");
  exchange_both_ways(pair);
  for (auto* end : {&pair.left, &pair.right}) {
    const auto status = end->status();
    REQUIRE(status.peers.size() == 1);
    CHECK(status.peers[0].last_handshake);
    CHECK(status.peers[0].tx_packets >= 320);
    CHECK(status.interface == end->running.interface);
    CHECK(status.mtu == 1420);
    for (const auto& drop : status.drops)
      CHECK(drop.packets == 0);
  }
}

TEST_CASE("An embedded overlay needs no privileges") {
  CHECK(as_ordinary_user([] {
          embedded_pair pair;
          exchange_both_ways(pair);
          return 0;
        })
        == 0);
}

TEST_CASE("Packets whose source the peer may not use do not reach the "
          "service") {
  embedded_pair pair;
  CHECK(pair.left.send({numbered_packet(9, 2, 1), numbered_packet(1, 2, 2)})
        == 2);
  CHECK(pair.right.next() == numbered_packet(1, 2, 2));
  CHECK(pair.right.log->count<bytes>() == 0);
  CHECK(pair.right.drops(drop_reason::wrong_source) == 1);
}

TEST_CASE("What the service sends to nobody's address is counted in the "
          "status") {
  embedded_pair pair;
  CHECK(pair.left.send({numbered_packet(1, 77, 1), bytes(30),
                        numbered_packet(1, 2, 2, 1500)})
        == 0);
  CHECK(pair.left.drops(drop_reason::no_route) == 1);
  CHECK(pair.left.drops(drop_reason::malformed_packet) == 1);
  CHECK(pair.left.drops(drop_reason::oversized) == 1);
}

TEST_CASE("A new configuration changes the MTU that packets of the service are "
          "held to") {
  embedded_pair pair;
  node_config wanted;
  wanted.interface.name = "weft1";
  wanted.interface.mtu = 1300;
  wanted.interface.listen
    = *parse_endpoint("127.0.0.1:" + std::to_string(pair.left.running.port));
  wanted.interface.addresses = {*parse_ip_prefix("10.0.0.1/24")};
  wanted.interface.cluster_networks = {*parse_ip_prefix("10.0.0.0/24")};
  wanted.peers = {pair.right.as_peer()};
  const auto changes = pair.home.ask<config_changes>(pair.left.running.actor,
                                                     apply_config{wanted});
  CHECK_THAT(changes.notes,
             Catch::VectorContains(std::string{"interface.mtu: 1420 -> 1300"}));
  CHECK(pair.left.status().mtu == 1300);
  CHECK(pair.left.send({numbered_packet(1, 2, 1, 1300 - 27)}) == 0);
  CHECK(pair.left.send({numbered_packet(1, 2, 2, 1300 - 28)}) == 1);
  CHECK(pair.right.next() == numbered_packet(1, 2, 2, 1300 - 28));
}

TEST_CASE("A configuration without a private key leaves the node its own, and "
          "that is none for a peer") {
  embedded_pair pair;
  node_config wanted;
  wanted.interface.name = "weft1";
  wanted.interface.listen
    = *parse_endpoint("127.0.0.1:" + std::to_string(pair.left.running.port));
  wanted.peers = {pair.right.as_peer(), pair.left.as_peer()};
  const auto refused = pair.home.try_ask<config_changes>(
    pair.left.running.actor, apply_config{wanted});
  REQUIRE_FALSE(refused);
  CHECK(error_field(refused.error()) == "peers[1].public_key");
  wanted.peers.pop_back();
  pair.home.ask<config_changes>(pair.left.running.actor, apply_config{wanted});
  CHECK(pair.left.status().public_key == pair.left.key);
}

TEST_CASE(
  "A log level that was changed by message is as configured after a new "
  "configuration") {
  embedded_pair pair;
  const auto& left = pair.left.running;
  CHECK_FALSE(pair.home.command(left.actor, set_log_level{log_level::debug}));
  node_config wanted;
  wanted.interface.name = "weft1";
  wanted.interface.listen
    = *parse_endpoint("127.0.0.1:" + std::to_string(left.port));
  const auto changes
    = pair.home.ask<config_changes>(left.actor, apply_config{wanted});
  CHECK_THAT(changes.notes,
             Catch::VectorContains(std::string{"log.level: info"}));
}

TEST_CASE("An overlay that ends answers the changes that wait") {
  embedded_pair pair;
  constexpr std::size_t count = 50;
  message_log answers;
  const auto actor = pair.left.running.actor;
  auto asker = pair.home.system().spawn(
    [&](caf::event_based_actor* self) -> caf::behavior {
      for (std::size_t i = 0; i < count; ++i)
        self
          ->request(actor, caf::infinite,
                    add_allowed_ip{pair.right.key,
                                   *parse_ip_prefix("10.1.0.0/16")})
          .then([&](const config_changes&) { answers.push(true); },
                [&](const caf::error&) { answers.push(false); });
      self->send(actor, shut_down{});
      return {};
    });
  for (std::size_t i = 0; i < count; ++i)
    answers.next<bool>();
  pair.home.await_end(actor);
}

TEST_CASE("A service that does not take its packets loses the newest, and its "
          "overlay goes on") {
  embedded_pair pair;
  auto& consumer = pair.right.consumer;
  std::vector<caf::response_promise> promises; // used by the consumer only
  std::size_t first = 0;
  consumer.on<received_packets>(
    [&](const received_packets& message) -> caf::result<void> {
      if (promises.empty())
        first = message.packets.size();
      promises.push_back(consumer.self()->make_response_promise());
      return promises.back();
    });
  std::uint32_t sent = 0;
  const auto arrived = [&] {
    const auto status = pair.right.status();
    return status.peers[0].rx_packets;
  };
  const auto wanted = 2 * packet_batch::max_packets;
  while (sent < wanted) {
    std::vector<bytes> packets;
    for (std::uint32_t i = 0; i < 64; ++i)
      packets.push_back(numbered_packet(1, 2, ++sent));
    REQUIRE(pair.left.send(packets) == packets.size());
    REQUIRE(eventually([&] { return arrived() >= sent; }));
  }
  CHECK(consumer.run([&] { return promises.size(); }) == 1);
  CHECK(eventually([&] {
    return pair.right.drops(drop_reason::device_busy)
           == wanted - first - packet_batch::max_packets;
  }));
  // The other way is open.
  CHECK(pair.right.send({numbered_packet(2, 1, 1)}) == 1);
  CHECK(pair.left.next() == numbered_packet(2, 1, 1));
  consumer.run([&] { promises.clear(); });
}

TEST_CASE("Embedded overlays start and stop again and again and leave "
          "nothing") {
  world home;
  deterministic_random random{53};
  const auto before = open_descriptors();
  for (int round = 0; round < 20; ++round) {
    embedded_overlay one{home, random, 1};
    one.start({});
    CHECK(eventually([] { return overlay_threads() >= 3; }));
    auto port = one.running.packets;
    one.stop();
    const auto sent = home.try_ask<std::uint32_t>(
      port, send_packets{batch_of({numbered_packet(1, 2, 1)})});
    CHECK_FALSE(sent);
    port = nullptr;
    CHECK(nothing_is_left(before));
  }
}

TEST_CASE("Many embedded overlays live side by side") {
  world home;
  deterministic_random random{54};
  constexpr std::uint8_t count = 6;
  std::vector<std::unique_ptr<embedded_overlay>> all;
  for (std::uint8_t i = 1; i <= count; ++i)
    all.push_back(std::make_unique<embedded_overlay>(home, random, i));
  // Each one knows where those are that were started before.
  for (auto& one : all) {
    std::vector<const embedded_overlay*> others;
    for (const auto& other : all) {
      if (other != one)
        others.push_back(other.get());
    }
    one->start(others);
  }
  for (std::uint8_t from = 1; from <= count; ++from) {
    for (std::uint8_t to = 1; to < from; ++to) {
      const auto number = std::uint32_t{from} * 100 + to;
      CHECK(all[from - 1u]->send({numbered_packet(from, to, number)}) == 1);
      CHECK(all[to - 1u]->next() == numbered_packet(from, to, number));
      CHECK(all[to - 1u]->send({numbered_packet(to, from, number)}) == 1);
      CHECK(all[from - 1u]->next() == numbered_packet(to, from, number));
    }
  }
}

TEST_CASE("An embedded overlay serves wg(8) only if it is asked to") {
  const bool asked = GENERATE(true, false);
  const temporary_folder files;
  world home;
  deterministic_random random{55};
  embedded_overlay one{home, random, 1};
  one.options.config.interface.socket_folder = files.path();
  if (asked)
    one.options.uapi = true;
  one.start({});
  CHECK(std::filesystem::exists(files.path() + "/weft1.sock") == asked);
  one.stop();
  CHECK(eventually([&] { return std::filesystem::is_empty(files.path()); }));
}

TEST_CASE("An embedded overlay can do without a log, and with a consumer that "
          "comes later") {
  world home;
  deterministic_random random{56};
  embedded_overlay one{home, random, 1};
  embedded_overlay other{home, random, 2};
  other.options.device = use_packet_port{};
  other.options.log = nullptr;
  other.start({&one});
  one.start({&other});
  CHECK(one.send({numbered_packet(1, 2, 1)}) == 1);
  CHECK(eventually([&] { return other.status().peers[0].rx_packets > 0; }));
  CHECK(other.log->count<bytes>() == 0);
  CHECK_FALSE(
    home.command(other.running.packets, set_consumer{other.consumer.handle()}));
  CHECK(other.next() == numbered_packet(1, 2, 1));
}
