// Peers whose packets workers seal and open, both ways at once.
#include "tests/actors/helped_tunnel.hpp"

#include <algorithm>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("Packets in are packets out and drops, in their order, whatever "
          "workers do") {
  helped_tunnel two;
  deterministic_random random{GENERATE(range(1U, 9U))};
  std::vector<cipher_work> under_way;
  std::vector<std::uint32_t> got;
  const auto gather = [&] {
    for (auto* worker : {&two.sealer, &two.opener})
      for (auto& work : worker->take<cipher_work>())
        under_way.push_back(std::move(work));
    for (const auto packet : two.delivered())
      got.push_back(packet);
  };
  const auto end_one = [&] {
    if (under_way.empty())
      return;
    const auto which
      = under_way.begin()
        + static_cast<std::ptrdiff_t>(random.below(under_way.size()));
    const auto work = std::move(*which);
    under_way.erase(which);
    auto begun = work.job->begin();
    if (!begun)
      return; // it was helped with
    switch (random.below(16)) {
      case 0:
        break; // it fails
      case 1:
        begun->give_back();
        break;
      default:
        begun->perform();
    }
  };
  bool renewed = false; // the session, while jobs are under way
  for (int round = 0; round < 200; ++round) {
    switch (random.below(8)) {
      case 0:
      case 1:
        two.send_full();
        break;
      case 2:
        two.send(two.numbered(1 + random.below(3)));
        break;
      case 3:
        two.left.space->desk->help();
        break;
      case 4:
        two.right.space->desk->help();
        break;
      case 5:
        // Who is late for two new sessions is lost.
        if (!std::exchange(renewed, true)) {
          two.home.advance(6s);
          caf::anon_send(two.a.actor, handshake_wanted{});
        }
        break;
      default:
        end_one();
    }
    exchange(two.home, two.a, two.b);
    gather();
    renewed = renewed && !under_way.empty();
  }
  while (!under_way.empty()) {
    end_one();
    exchange(two.home, two.a, two.b);
    gather();
  }
  const auto left = two.a.report(two.home);
  const auto right = two.b.report(two.home);
  CHECK(got.size() + left.drops[drop_reason::worker_failed]
          + right.drops[drop_reason::worker_failed]
        == two.all.size());
  // What came is in order.
  auto expected = two.all.begin();
  for (const auto packet : got) {
    expected = std::find(expected, two.all.end(), packet);
    REQUIRE(expected != two.all.end());
    ++expected;
  }
  CHECK(two.left.space->desk->under_way() == 0);
  CHECK(two.right.space->desk->under_way() == 0);
}
