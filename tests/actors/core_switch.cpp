#include "actors/loop/core_switch.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;

namespace {

/// A switch, and the time of its threads.
struct threads {
  core_switch cores;
  time_point now{100s};
  duration waited{5s};

  threads() {
    cores.look(now, waited);
  }
  /// Traffic goes on for so long, and the threads wait for that part of it.
  bool after(duration passed, double share) {
    now += passed;
    waited += std::chrono::duration_cast<duration>(passed * share);
    cores.look(now, waited);
    return cores.may_hand_over();
  }
};

} // namespace

TEST_CASE("Work is handed over until the threads have to wait for a core") {
  CHECK(core_switch{}.may_hand_over());
  threads busy;
  CHECK(busy.cores.may_hand_over()); // what was before does not count
  CHECK(busy.after(10ms, 0.0));
  CHECK(busy.after(10ms, 0.09));
  CHECK_FALSE(busy.after(10ms, 0.11));
}

TEST_CASE("Work is handed over again when nobody has waited for a while, the "
          "longer the more was waited") {
  const auto windows_after = [](double share) {
    threads busy;
    CHECK_FALSE(busy.after(10ms, share));
    int windows = 1;
    while (!busy.after(10ms, 0.0))
      ++windows;
    return windows;
  };
  CHECK(windows_after(0.12) == 1); // 0.12 * 0.8 <= 0.1
  CHECK(windows_after(0.5) == 8);  // 0.5 * 0.8^8 <= 0.1
  CHECK(windows_after(2.0) == 14); // of several threads
}

TEST_CASE("While the threads wait, work is not handed over") {
  threads busy;
  for (int i = 0; i < 100; ++i)
    CHECK_FALSE(busy.after(10ms, 0.3));
}

TEST_CASE("A window that is longer counts for as many") {
  threads busy;
  CHECK_FALSE(busy.after(10ms, 0.5));
  CHECK_FALSE(busy.after(70ms, 0.0));
  CHECK(busy.after(10ms, 0.0));
}

TEST_CASE("What was waited before a rest does not count after it") {
  threads busy;
  CHECK(busy.after(3s, 0.5));
  CHECK(busy.after(10ms, 0.0));
}

TEST_CASE("A thread that has ended makes no time of waiting") {
  threads busy;
  busy.waited = 1s;
  CHECK(busy.after(10ms, 0.0));
}

TEST_CASE("A look is due once a window has passed") {
  core_switch cores;
  const time_point start{1s};
  CHECK(cores.is_due(start));
  cores.look(start, 0ns);
  CHECK_FALSE(cores.is_due(start + 9ms));
  CHECK(cores.is_due(start + 10ms));
  cores.look(start, 1s); // a clock that stands still
  CHECK(cores.may_hand_over());
}
