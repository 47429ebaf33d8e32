#include "actors/overlay/core_budget.hpp"

#include "tests/catch.hpp"

using namespace weft;

TEST_CASE("Overlays of one process share its cores, and each has one") {
  const auto budget = std::make_shared<core_budget>(4);
  const auto first = core_budget::take(budget, 3);
  CHECK(first.count() == 3);
  {
    const auto second = core_budget::take(budget, 8);
    CHECK(second.count() == 1);
    CHECK(core_budget::take(budget, 2).count() == 1); // although none is left
  }
  CHECK(core_budget::take(budget, 8).count() == 1); // again
}

TEST_CASE("What an overlay had of the cores is given back once") {
  const auto budget = std::make_shared<core_budget>(4);
  core_budget::share kept;
  CHECK(kept.count() == 1);
  kept = core_budget::take(budget, 3);
  core_budget::share moved{std::move(kept)};
  CHECK(moved.count() == 3);
  CHECK(core_budget::take(budget, 4).count() == 1);
  moved = {};
  CHECK(core_budget::take(budget, 4).count() == 4);
  CHECK(core_budget::take(budget, 4).count() == 4); // the one before has ended
}

TEST_CASE("Without a budget an overlay has the cores that it wants, one at "
          "least") {
  CHECK(core_budget::take(nullptr, 5).count() == 5);
  CHECK(core_budget::take(nullptr, 0).count() == 1);
}
