// Many hosts at once: a hub with its spokes, and everybody with everybody.
#include "tests/catch.hpp"
#include "tests/sim/invariants.hpp"

namespace {

using namespace weft;
using namespace weft::test;

constexpr std::size_t hub = 0;

/// Host 0 is known to all others; it learns from them where they are.
struct star : network {
  star(std::size_t spokes, std::uint64_t seed) : network(seed) {
    tracing = false;
    add_host();
    for (std::size_t i = 0; i < spokes; ++i)
      acquaint(add_host(), hub, false);
  }
};

bool all_unique(std::vector<std::uint64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end();
}

} // namespace

TEST_CASE("A hub with fifty spokes keeps fifty sessions apart for an hour") {
  constexpr std::size_t spokes = 50;
  star net(spokes, 3);
  net.rule = weather_rule({.shortest = 30ms, .longest = 30ms}, 3);
  deterministic_random random(4);
  std::uint64_t number = 0;
  std::map<std::size_t, std::set<std::uint64_t>> to_hub;
  for (std::size_t spoke = 1; spoke <= spokes; ++spoke) {
    net.send(spoke, 0, {make_packet(++number)});
    to_hub[spoke].insert(number);
  }
  net.run_for(1s);
  for (int i = 0; i < 3600; ++i) {
    const auto spoke = 1 + random.below(spokes);
    net.send(spoke, 0, {make_packet(++number)});
    to_hub[spoke].insert(number);
    net.send(hub, random.below(spokes), {make_packet(++number)});
    net.run_for(1s);
  }
  net.run_for(10s);
  std::size_t from_hub = 0;
  for (std::size_t spoke = 1; spoke <= spokes; ++spoke) {
    const auto& got = net[hub].received[spoke - 1];
    CHECK(std::set(got.begin(), got.end()) == to_hub[spoke]);
    CHECK(got.size() == to_hub[spoke].size());
    CHECK(all_unique(net[spoke].received[0]));
    // A message that was sealed in the last moment of a session is refused.
    from_hub += net[spoke].received[0].size()
                + net[spoke].peer().drops()[drop_reason::expired_session];
  }
  CHECK(from_hub == 3600);
  CHECK(net[hub].drops[drop_reason::unknown_index] == 0);
}

TEST_CASE("Eight hosts that all know each other talk through bad weather") {
  constexpr std::size_t hosts = 8;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    network net(seed);
    net.tracing = false;
    for (std::size_t i = 0; i < hosts; ++i)
      net.add_host();
    for (std::size_t i = 0; i < hosts; ++i)
      for (std::size_t j = i + 1; j < hosts; ++j)
        net.acquaint(i, j);
    net.rule = weather_rule(
      {.lost = 50, .duplicated = 50, .longest = 200ms, .stalled = 5}, seed);
    deterministic_random random(seed);
    constexpr std::uint64_t rounds = 4000;
    for (std::uint64_t number = 1; number <= rounds; ++number) {
      net.send(random.below(hosts), random.below(hosts - 1),
               {make_packet(number)});
      net.run_for(200ms);
    }
    net.run_for(2min);
    std::vector<std::uint64_t> all;
    for (std::size_t i = 0; i < hosts; ++i)
      for (const auto& [slot, numbers] : net[i].received)
        all.insert(all.end(), numbers.begin(), numbers.end());
    CHECK(all_unique(all));
    CHECK(all.size() > rounds * 8 / 10);
  }
}

TEST_CASE("A flood of replays, forgeries and garbage leaves live sessions "
          "alone") {
  star net(2, 8);
  net.tracing = true;
  net.send(1, 0, {make_packet(1)});
  net.send(2, 0, {make_packet(2)});
  net.run_for(1s);
  const auto heard = net.trace;
  net.tracing = false;
  deterministic_random random(9);
  const auto stranger = address_of(666);
  std::uint64_t number = 2;
  for (int second = 0; second < 100; ++second) {
    for (int i = 0; i < 100; ++i) {
      auto message = heard[random.below(heard.size())].content;
      const auto changes = random.below(4);
      for (std::uint64_t k = 0; k < changes; ++k)
        message[random.below(message.size())]
          = static_cast<std::byte>(random.next_u64());
      if (random.below(4) == 0)
        message.resize(random.below(message.size() + 1));
      const auto to = net[random.below(3)].address;
      net.inject(stranger, to, message,
                 std::chrono::milliseconds(random.below(1000)));
    }
    net.send(hub, 0, {make_packet(++number)});
    net.send(hub, 1, {make_packet(++number)});
    net.run_for(1s);
  }
  CHECK(net[1].received[0].size() == 100);
  CHECK(net[2].received[0].size() == 100);
  CHECK(net[hub].received[0].size() == 1);
  CHECK(net[hub].received[1].size() == 1);
  for (std::size_t slot : {0u, 1u})
    CHECK(net[hub].peer(slot).path()->remote == net[slot + 1].address);
  CHECK(net[1].peer().path()->remote == net[hub].address);
}
