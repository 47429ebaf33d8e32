#include "protocol/tunnel/staging.hpp"

#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

namespace {

using namespace weft;
using namespace weft::test;

constexpr auto overhead = staged_packets::overhead;

/// A peer of which packets wait.
struct waiting_peer {
  explicit waiting_peer(staging_budget* budget) : packets(drops, budget) {
  }
  void add(std::size_t length, std::uint64_t number = 0) {
    packets.add(make_packet(number, length));
  }
  std::uint64_t number(std::size_t i) const {
    return load_le<std::uint64_t>(packets[i].data() + 4);
  }
  std::uint64_t dropped() const {
    return drops[drop_reason::queue_full];
  }

  drop_counters drops;
  staged_packets packets;
};

using peers = std::vector<std::unique_ptr<waiting_peer>>;

peers make_peers(std::size_t count, staging_budget& budget) {
  peers result;
  for (std::size_t i = 0; i < count; ++i)
    result.push_back(std::make_unique<waiting_peer>(&budget));
  return result;
}

/// What all together hold of the budget.
std::size_t cost(const peers& all) {
  std::size_t sum = 0;
  for (const auto& one : all)
    sum += one->packets.bytes() + one->packets.size() * overhead;
  return sum;
}

} // namespace

TEST_CASE("A peer alone keeps its newest packets within its own bounds") {
  staging_budget budget;
  waiting_peer one(&budget);
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    one.add(100, i);
    REQUIRE(one.packets.size() == std::min<std::uint64_t>(i, 128));
    REQUIRE(one.number(one.packets.size() - 1) == i);
  }
  CHECK(one.number(0) == 1000 - 127);
  CHECK(one.dropped() == 1000 - 128);
  for (std::uint64_t i = 1; i <= 100; ++i)
    one.add(9000, i);
  CHECK(one.packets.size() == 256 * 1024 / 9000);
  CHECK(budget.used() == one.packets.bytes() + one.packets.size() * overhead);
  one.packets.drop_all(drop_reason::handshake_failed);
  CHECK(one.drops[drop_reason::handshake_failed] == 256 * 1024 / 9000);
  CHECK(budget.used() == 0);
}

TEST_CASE("What was sent leaves the oldest first, and its room is free again") {
  staging_budget budget;
  waiting_peer one(&budget);
  for (std::uint64_t i = 1; i <= 100; ++i)
    one.add(100, i);
  one.packets.remove_oldest(60);
  CHECK(one.packets.size() == 40);
  CHECK(one.number(0) == 61);
  for (std::uint64_t i = 101; i <= 200; ++i)
    one.add(100, i);
  CHECK(one.packets.size() == 128);
  CHECK(one.number(0) == 73);
  one.packets.remove_oldest(128);
  CHECK(one.packets.empty());
  CHECK(one.packets.bytes() == 0);
  CHECK(budget.used() == 0);
}

TEST_CASE("Packets of thousands of peers that wait never take more than the "
          "budget, and each peer that sends keeps its newest") {
  staging_budget budget(1 << 20);
  const auto all = make_peers(3000, budget);
  for (std::uint64_t round = 1; round <= 20; ++round) {
    for (const auto& one : all) {
      one->add(200, round);
      REQUIRE(budget.used() <= 1 << 20);
      REQUIRE(one->packets.size() >= 1);
      REQUIRE(one->number(one->packets.size() - 1) == round);
    }
  }
  CHECK(cost(all) == budget.used());
  CHECK(budget.used() > (1 << 20) * 9 / 10);
  std::uint64_t dropped = 0;
  std::uint64_t waiting = 0;
  for (const auto& one : all) {
    dropped += one->dropped();
    waiting += one->packets.size();
  }
  CHECK(dropped + waiting == 3000 * 20);
}

TEST_CASE("When the budget is used up, those that hold more than their share "
          "lose it to one that holds less") {
  constexpr std::size_t price = 1000 + overhead;
  staging_budget budget(100 * price);
  const auto all = make_peers(5, budget);
  for (std::size_t greedy = 0; greedy < 4; ++greedy)
    for (std::uint64_t i = 1; i <= 120; ++i)
      all[greedy]->add(1000, i);
  const auto before = all[0]->packets.size() + all[1]->packets.size()
                      + all[2]->packets.size() + all[3]->packets.size();
  CHECK(before == 100);
  for (std::uint64_t i = 1; i <= 15; ++i)
    all[4]->add(1000, i);
  CHECK(all[4]->packets.size() == 15);
  CHECK(all[4]->dropped() == 0);
  // A flood gets no more than its share.
  for (std::uint64_t i = 1; i <= 1000; ++i)
    all[0]->add(1000, i);
  CHECK(all[0]->packets.size() <= 25);
  CHECK(all[4]->packets.size() == 15);
  // Whoever was cut keeps the newest.
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE_FALSE(all[i]->packets.empty());
    CHECK(all[i]->number(all[i]->packets.size() - 1) == (i == 0 ? 1000 : 120));
  }
}

TEST_CASE("A packet larger than a peer's bound or than the budget is dropped") {
  staging_budget budget(1000);
  waiting_peer one(&budget);
  one.add(100, 1);
  one.add(1500, 2);
  CHECK(one.packets.empty());
  CHECK(one.dropped() == 2);
  waiting_peer unbounded(nullptr);
  unbounded.packets.add(std::vector<std::byte>(256 * 1024 + 1));
  CHECK(unbounded.packets.empty());
  CHECK(unbounded.dropped() == 1);
  CHECK(budget.used() == 0);
}

TEST_CASE("Of the packets that wait some can be kept, in their order, and the "
          "others give back their room") {
  staging_budget budget;
  waiting_peer peer(&budget);
  for (std::uint64_t i = 0; i < 6; ++i)
    peer.add(100, i);
  peer.packets.remove_oldest(1);
  peer.packets.keep_only(
    [](const_byte_span packet) {
      return load_le<std::uint64_t>(packet.data() + 4) % 2 == 1;
    },
    drop_reason::no_route);
  REQUIRE(peer.packets.size() == 3);
  CHECK(peer.number(0) == 1);
  CHECK(peer.number(1) == 3);
  CHECK(peer.number(2) == 5);
  CHECK(peer.drops[drop_reason::no_route] == 2);
  CHECK(budget.used() == 3 * (100 + overhead));
  peer.packets.keep_only([](const_byte_span) { return false; },
                         drop_reason::no_route);
  CHECK(peer.packets.empty());
  CHECK(budget.used() == 0);
}

TEST_CASE("A peer that is removed gives back what its packets took") {
  staging_budget budget;
  auto all = make_peers(3, budget);
  for (const auto& one : all)
    one->add(500);
  all.erase(all.begin());
  CHECK(budget.used() == 2 * (500 + overhead));
  all.clear();
  CHECK(budget.used() == 0);
}

TEST_CASE("Sessions that share a budget stay within it whatever they are sent, "
          "and have used none of it once they are given up") {
  network net;
  net.add_host();
  net.add_host();
  auto& self = net[0];
  staging_budget budget(64 * 1024);
  std::vector<std::unique_ptr<peer_session>> sessions;
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    sessions.push_back(std::make_unique<peer_session>(self.self(), net[1].key(),
                                                      self.indices(), slot, 0,
                                                      self.random(), &budget));
    sessions.back()->set_endpoint(address_of(9));
  }
  bytes memory(1 << 20);
  for (int round = 0; round < 3; ++round) {
    for (const auto& session : sessions) {
      datagram_buffer batch(memory);
      for (int i = 0; i < 100; ++i)
        batch.add(1000, 1008);
      CHECK(session->send(batch, net.at(0))
            == peer_session::send_status::waiting);
      CHECK(budget.used() <= 64 * 1024);
      CHECK(peer_session_access::staged(*session) > 0);
    }
  }
  for (const auto& session : sessions) {
    session->set_identity(nullptr);
    CHECK(session->drops()[drop_reason::queue_full]
            + session->drops()[drop_reason::handshake_failed]
          == 300);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("Packets that left in front of others keep no room, however many "
          "leave at a time") {
  staging_budget budget;
  waiting_peer one(&budget);
  std::uint64_t added = 0;
  std::uint64_t removed = 0;
  for (std::size_t round = 0; round < 300; ++round) {
    while (one.packets.size() < 128)
      one.add(100, ++added);
    const auto leaving = 1 + round * 37 % 127;
    one.packets.remove_oldest(leaving);
    removed += leaving;
    REQUIRE(one.packets.size() == 128 - leaving);
    REQUIRE(one.number(0) == removed + 1);
    REQUIRE(one.packets.room_taken() < 2 * staged_packets::max_packets);
  }
  CHECK(one.dropped() == 0);
}
