#include "actors/loop/timer.hpp"

#include "tests/actors/support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// A timer and peers that record that they are woken.
struct timed_world {
  timed_world() : loop(home.start_loop()), clock(home.spawn<timer>(loop.loop)) {
  }

  void arm(std::uint32_t slot, std::optional<time_point> when) {
    while (peers.size() <= slot) {
      auto peer = std::make_unique<fake<peer_actor>>(home);
      peer->on<deadline_passed>(
        [this, number = static_cast<std::uint32_t>(peers.size())](
          const deadline_passed&) -> caf::result<void> {
          woken.push(number);
          return caf::unit;
        });
      peers.push_back(std::move(peer));
    }
    requests.push_back({slot, when, peers[slot]->handle()});
  }
  void give() {
    for (const auto& request : requests)
      caf::anon_send(clock, request);
    requests.clear();
    home.settle();
  }
  /// Who is woken in the time from now on.
  std::vector<std::uint32_t> within(duration time) {
    home.advance(time);
    return woken.take<std::uint32_t>();
  }

  message_log woken;
  world home{run_by::hand};
  test_loop loop;
  timer_actor clock;
  std::vector<std::unique_ptr<fake<peer_actor>>> peers;
  std::vector<arm_deadline> requests;
  time_point now = loop.loop->now();
};

using numbers = std::vector<std::uint32_t>;

} // namespace

TEST_CASE_METHOD(timed_world, "Peers are woken in the order of their "
                              "deadlines, and not before") {
  constexpr std::uint32_t count = 20;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto slot = i * 7 % count;
    arm(slot, now + 10ms + slot * 1ms);
  }
  give();
  CHECK(within(10ms - 1ns).empty());
  CHECK(within(1ns) == numbers{0});
  for (std::uint32_t i = 1; i < count; ++i)
    CHECK(within(1ms) == numbers{i});
  CHECK(within(1h).empty());
}

TEST_CASE_METHOD(timed_world, "A deadline that is moved earlier wakes once, at "
                              "its new time") {
  arm(0, now + 1h);
  arm(0, now + 2ms);
  give();
  CHECK(within(2ms) == numbers{0});
  arm(1, now + 3ms);
  give();
  CHECK(within(1ms) == numbers{1});
  CHECK(within(2h).empty());
}

TEST_CASE_METHOD(timed_world, "A deadline that is moved later does not wake at "
                              "its old time") {
  arm(0, now + 1ms);
  arm(0, now + 1h);
  arm(1, now + 2ms);
  give();
  CHECK(within(2ms) == numbers{1});
  arm(0, now + 3ms); // and can be moved back
  give();
  CHECK(within(1ms) == numbers{0});
}

TEST_CASE_METHOD(timed_world, "A deadline that was taken back wakes nobody") {
  arm(0, now + 1ms);
  arm(0, std::nullopt);
  arm(1, std::nullopt); // never armed
  arm(2, now + 2ms);
  give();
  CHECK(within(1h) == numbers{2});
}

TEST_CASE_METHOD(timed_world, "A deadline that is moved there and back wakes "
                              "once") {
  arm(0, now + 1ms);
  arm(0, now + 2ms);
  arm(0, now + 1ms);
  arm(1, now + 3ms);
  give();
  CHECK(within(1h) == numbers{0, 1});
}

TEST_CASE_METHOD(timed_world, "A peer can be woken again after it was woken") {
  for (int round = 0; round < 5; ++round) {
    arm(0, loop.loop->now() + 1ms);
    give();
    CHECK(within(1ms) == numbers{0});
  }
  arm(0, now - 1h); // a time that has passed wakes at once
  give();
  CHECK(within(0ms) == numbers{0});
}

TEST_CASE_METHOD(timed_world, "A slot's new peer is woken instead of its "
                              "former one") {
  arm(0, now + 1h);
  arm(1, now + 1h);
  requests[0].slot = requests[1].slot = 9;
  requests.push_back(requests[1]);
  requests[1].when.reset();
  requests[2].when = now + 1ms;
  give();
  CHECK(within(2h) == numbers{1});
}

TEST_CASE_METHOD(timed_world, "A former peer does not take back the deadline "
                              "of its successor in the slot") {
  arm(1, now + 1ms);
  arm(0, std::nullopt);
  requests[0].slot = requests[1].slot = 9;
  give();
  CHECK(within(1h) == numbers{1});
}

TEST_CASE_METHOD(timed_world, "Ten thousand peers are each woken once, and "
                              "cost nothing while they wait") {
  constexpr std::uint32_t count = 10'000;
  std::uint32_t wakes = 0;
  fake<peer_actor> all(home);
  all.on<deadline_passed>([&](const deadline_passed&) -> caf::result<void> {
    ++wakes;
    return caf::unit;
  });
  for (std::uint32_t slot = 0; slot < count; ++slot)
    requests.push_back({slot, now + 1h + slot * 1ms, all.handle()});
  give();
  CHECK(loop.falls_asleep());
  CHECK(wakes == 0);
  for (std::uint32_t slot = 0; slot < count; ++slot)
    requests.push_back({slot, now + (slot * 7919 % count) * 1us, all.handle()});
  give();
  home.advance(10ms);
  CHECK(wakes == count);
  home.advance(2h); // their former times
  CHECK(wakes == count);
}

TEST_CASE_METHOD(timed_world, "A timer that ends lets go of its peers and of "
                              "the loop's deadline") {
  arm(0, std::nullopt);
  arm(1, std::nullopt);
  const auto holders = [this] {
    const auto peer = peers[0]->handle();
    return caf::actor_cast<caf::strong_actor_ptr>(peer)->strong_refs.load();
  };
  requests.clear();
  const auto before = holders();
  arm(0, now + 1h);
  arm(1, now + 50ms);
  give();
  CHECK(holders() > before);
  home.end(clock);
  home.settle();
  CHECK(holders() == before);
  CHECK(within(2h).empty());
}
