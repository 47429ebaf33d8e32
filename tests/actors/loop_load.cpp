#include "actors/loop/loop_load.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;

namespace {

/// A loop, those that relieve it, and what their threads have used.
struct loops {
  loop_load load;
  time_point now{100s};
  duration used{7s};
  duration used_by_others{3s};

  loops() {
    load.look(now, used, used_by_others);
  }
  /// So many windows of traffic that takes these shares of the time.
  bool after(unsigned windows, double share, double share_of_others = 0) {
    for (unsigned i = 0; i < windows; ++i) {
      now += loop_load::window;
      used += part(share);
      used_by_others += part(share_of_others);
      load.look(now, used, used_by_others);
    }
    return load.wants_relief();
  }
  static duration part(double share) {
    return std::chrono::duration_cast<duration>(loop_load::window * share);
  }
};

} // namespace

TEST_CASE("A loop is to be relieved once it was busy for all of a while") {
  loops busy;
  CHECK_FALSE(busy.load.wants_relief());
  CHECK_FALSE(busy.after(1000, 0.85));
  CHECK_FALSE(busy.after(loop_load::to_begin - 1, 1.0));
  CHECK_FALSE(busy.after(1, 0.5)); // a pause
  CHECK_FALSE(busy.after(loop_load::to_begin - 1, 1.0));
  CHECK(busy.after(1, 1.0));
}

TEST_CASE("A loop is relieved until it could do all of it alone for a while") {
  loops busy;
  REQUIRE(busy.after(loop_load::to_begin, 1.0));
  CHECK(busy.after(1000, 0.3, 0.3)); // together they do more than half
  CHECK(busy.after(loop_load::to_end - 1, 0.2, 0.2));
  CHECK(busy.after(1, 0.3, 0.3));
  CHECK(busy.after(loop_load::to_end - 1, 0.2, 0.2));
  CHECK_FALSE(busy.after(1, 0.2, 0.2));
  CHECK_FALSE(busy.after(1000, 0.5));
}

TEST_CASE("A loop is looked at once a window, and a rest of it is no load") {
  loop_load load;
  const time_point start{1s};
  CHECK(load.is_due(start));
  load.look(start, 0s, 0s);
  CHECK_FALSE(load.is_due(start + loop_load::window - 1ns));
  CHECK(load.is_due(start + loop_load::window));
  load.look(start, 1s, 0s); // a clock that stands still
  for (int i = 1; i < 10; ++i)
    load.look(start + i * 1h, 1s + i * 2s, 0s);
  CHECK_FALSE(load.wants_relief());
}
