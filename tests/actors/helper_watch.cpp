#include "actors/host/helper_watch.hpp"

#include "actors/host/repair_limits.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

const helper_loss nothing;
const helper_loss server{{"10.64.0.1"}, {}};
const helper_loss strict_link{{}, {"net1"}};

struct watched {
  unsigned asked = 0;
  time_point now{};
  helper_watch watch{"weft0", [this] { ++asked; }};

  /// After so long: the sentences.
  std::vector<std::string>
  look(duration later, const helper_loss& loss, bool by_order = false) {
    now += later;
    return watch.look(loss, now, by_order).troubles;
  }
};

} // namespace

TEST_CASE("What was never seen in place may be on its way") {
  watched host;
  CHECK(host.look(0s, server).empty());
  CHECK(host.look(helper_watch::on_its_way - 1s, server).empty());
  CHECK(host.asked == 0);
  const auto said = host.look(1s, server);
  CHECK(host.asked == 1);
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], Contains("the DNS servers 10.64.0.1 of weft0 are missing")
                        && Contains("weft host is asked to set it again"));
}

TEST_CASE("What is taken away is asked for at once, and by an order always") {
  watched host;
  CHECK(host.look(0s, nothing).empty());
  CHECK(host.look(1s, strict_link).size() == 1);
  CHECK(host.asked == 1);
  CHECK(host.look(helper_watch::patience - 1ms, strict_link).empty());
  CHECK(host.look(1ms, server).size() == 1);
  CHECK(host.asked == 2);
  const auto back = host.watch.look(nothing, host.now + 1s, false);
  CHECK(back.troubles.empty());
  REQUIRE(back.is_back);
  CHECK_THAT(*back.is_back, Contains("in place again"));
  CHECK_FALSE(host.watch.look(nothing, host.now + 2s, false).is_back);
  watched fresh;
  CHECK(fresh.look(0s, server, true).size() == 1);
  CHECK(fresh.asked == 1);
}

TEST_CASE("Who takes it away again and again has peace after five times, until "
          "there is an order") {
  watched host;
  host.look(0s, nothing);
  for (unsigned i = 1; i <= repair_limits::most_repairs; ++i) {
    const auto said = host.look(1min, server);
    REQUIRE(said.size() == 1);
    const bool is_last = said[0].find("for the last time within 10 minutes")
                         != std::string::npos;
    CHECK(is_last == (i == repair_limits::most_repairs));
    CHECK(host.asked == i);
    host.look(1s, nothing);
  }
  CHECK(host.look(1min, server).size() == 1);
  CHECK(host.look(1min, server).empty());
  CHECK(host.asked == repair_limits::most_repairs);
  SECTION("an order") {
    CHECK(host.look(1s, server, true).size() == 1);
  }
  SECTION("time") {
    CHECK(host.look(repair_limits::peace, server).size() == 1);
  }
  CHECK(host.asked == repair_limits::most_repairs + 1);
}

TEST_CASE("Where nobody sees which links look at marks, those of the start do, "
          "and later ones once that was asked for") {
  watched host;
  host.watch.expect_marked({"net0"});
  CHECK(host.look(0s, {{}, {"net0"}, false}).empty());
  CHECK(host.look(1min, {{}, {"net0"}, false}).empty());
  const auto said = host.look(1s, {{}, {"net0", "net1"}, false});
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], Contains("dropped by net1, whose rp_filter is 1"));
  CHECK(host.asked == 1);
  const auto later
    = host.watch.look({{}, {"net0", "net1"}, false}, host.now + 1min, false);
  CHECK(later.troubles.empty());
  CHECK_FALSE(later.is_back); // nobody knows
  CHECK(host.asked == 1);
}

TEST_CASE(
  "A full tunnel that a reload turns on has all links asked for, though "
  "nobody sees which look at marks") {
  watched host;
  const helper_loss unseen{{}, {"net0"}, false};
  SECTION("after a start without one") {
    CHECK(host.look(0s, nothing).empty());
  }
  SECTION("before all else") {
  }
  const auto said = host.look(1min, unseen, true);
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], Contains("dropped by net0"));
  CHECK(host.asked == 1);
  CHECK(host.look(1min, unseen).empty());
  CHECK(host.asked == 1);
}

TEST_CASE("A link that comes under the name of one that has gone is another") {
  watched host;
  host.watch.expect_marked({"net0"});
  CHECK(host.look(0s, {{}, {"net0"}, false}).empty());
  CHECK(host.look(1s, {{}, {}, false}).empty());
  CHECK(host.look(1s, {{}, {"net0"}, false}).size() == 1);
  CHECK(host.asked == 1);
}

TEST_CASE(
  "What could not be asked for is asked for after the peace, also where "
  "it is not seen") {
  watched host;
  host.look(0s, {{}, {}, false});
  for (unsigned i = 1; i <= repair_limits::most_repairs; ++i) {
    CHECK(host.look(10s, {{"10.64.0.1"}, {}, false}).size() == 1);
    host.look(1s, {{}, {}, false});
  }
  CHECK(host.look(10s, {{}, {"net1"}, false}).size() == 1);
  CHECK(host.look(10s, {{}, {"net1"}, false}).empty());
  CHECK(host.asked == repair_limits::most_repairs);
  CHECK(host.look(repair_limits::peace, {{}, {"net1"}, false}).size() == 1);
  CHECK(host.asked == repair_limits::most_repairs + 1);
}

TEST_CASE("Without a helper a sentence has the remedy, once") {
  helper_watch alone{"weft0", nullptr};
  const time_point now{};
  alone.look(nothing, now, false);
  const auto said = alone.look({{"10.64.0.1"}, {"net1"}}, now + 1s, false);
  REQUIRE(said.troubles.size() == 2);
  CHECK_THAT(said.troubles[0], Contains("weft host up sets them again"));
  CHECK_THAT(said.troubles[1], Contains("restart the node, which sets it"));
  CHECK(
    alone.look({{"10.64.0.1"}, {"net1"}}, now + 2s, false).troubles.empty());
}
