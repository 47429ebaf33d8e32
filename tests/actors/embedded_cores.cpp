// Overlays whose packets are sealed and opened on other threads.
#include "tests/actors/embedded.hpp"

#include <map>

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::uint32_t flows = 4;

struct pair_on_cores {
  explicit pair_on_cores(std::size_t cores) {
    for (auto* side : {&left, &right}) {
      side->options.cores = cores;
      side->options.own_cores = true; // however busy the machine is
    }
    right.start({&left});
    left.start({&right});
    CHECK(left.send({numbered_packet(1, 2, 0)}) == 1);
    right.next(); // there is a session
  }

  /// As many as the other side's consumer may be behind by.
  void send(std::size_t count) {
    std::vector<bytes> packets;
    for (std::size_t i = 0; i < count; ++i) {
      const auto flow = static_cast<std::uint32_t>(random.below(flows));
      packets.push_back(numbered_packet(1, 2, flow << 24 | ++sent[flow], 1300));
    }
    CHECK(left.send(packets) == count);
  }
  /// Waits until each has come, behind the older ones of its flow, or was
  /// dropped and counted: a worker that gets no processor costs packets.
  void receive_all() {
    int looks = 0;
    CHECK(eventually([&] {
      for (const auto& packet : right.log->take<bytes>()) {
        const auto number = load_be<std::uint32_t>(packet.data() + 28);
        auto& newest = received[number >> 24];
        REQUIRE((number & 0xffffff) > newest);
        newest = number & 0xffffff;
        ++got;
      }
      if (got + lost < all_sent() && ++looks % 500 == 0)
        lost = dropped();
      return got + lost >= all_sent();
    }));
    CHECK(got + lost == all_sent());
  }
  std::uint64_t all_sent() const {
    std::uint64_t count = 0;
    for (const auto& [flow, newest] : sent)
      count += newest;
    return count;
  }
  std::uint64_t dropped() {
    return right.drops(drop_reason::overload)
           + right.drops(drop_reason::device_busy);
  }

  deterministic_random random{52};
  world home;
  embedded_overlay left{home, random, 1};
  embedded_overlay right{home, random, 2};
  std::map<std::uint32_t, std::uint32_t> sent;
  std::map<std::uint32_t, std::uint32_t> received;
  std::uint64_t got = 0;
  std::uint64_t lost = 0; ///< when that was looked at last
};

} // namespace

TEST_CASE(
  "Packets keep the order of their flow, and none is lost, on any number "
  "of cores") {
  pair_on_cores two{GENERATE(1U, 2U, 4U)};
  for (int i = 0; i < 60; ++i) {
    two.send(1 + two.random.below(750));
    two.receive_all();
  }
  CHECK(two.got > two.all_sent() / 2);
}

TEST_CASE("An overlay with many cores ends with what is under way") {
  pair_on_cores two{4};
  two.send(750);
  two.left.stop();
  two.right.stop();
}
