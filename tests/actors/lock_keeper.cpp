#include "actors/host/lock_keeper.hpp"

#include "tests/platform/support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

lock_rules rules_of(const std::string& interface) {
  lock_rules rules;
  rules.interface = interface;
  rules.tunnel = {0x5, 51820};
  rules.allow = {prefix("192.168.0.0/16"), prefix("192.168.1.0/24"),
                 prefix("0.0.0.0/0"), prefix("fd00::/8")};
  rules.dns = {address("10.9.0.53"), address("fd09::53")};
  return rules;
}

void await_change(lock_keeper& keeper) {
  REQUIRE(await_readable(keeper.descriptor()));
  REQUIRE(keeper.read());
}

} // namespace

TEST_CASE("a lock that is flushed is put back as it was, and nothing else is") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto keeper = lock_keeper::open();
  REQUIRE(keeper);
  REQUIRE(keeper->lock(rules_of("weft-0.a_b")));
  CHECK(is_locked("weft-0.a_b") == true);
  CHECK(keeper->repair().put_back.empty());
  keeper->read();
  const temporary_folder folder;
  const auto before = folder.path() + "/before";
  run("nft -s list ruleset > " + before);
  run("nft flush ruleset");
  await_change(*keeper);
  CHECK(keeper->repair().put_back
        == std::vector<std::string>{"weft_lock_weft-0.a_b"});
  run("nft -s list ruleset | diff " + before + " -");
  keeper->read();
  run("nft add rule inet weft_lock_weft-0.a_b allowed accept");
  await_change(*keeper);
  CHECK(keeper->repair().put_back.size() == 1);
  CHECK(keeper->repair().put_back.empty());
  REQUIRE(keeper->lift());
  CHECK(is_locked("weft-0.a_b") == false);
}

TEST_CASE("a lock that was lifted by hand stays so, also if that has not been "
          "read yet") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto keeper = lock_keeper::open();
  REQUIRE(keeper);
  REQUIRE(keeper->lock(rules_of("weft0")));
  keeper->read();
  const temporary_folder folder;
  const auto weft = folder.path() + "/weft"; // as the kernel sees it
  run("ln -s $(command -v nft) " + weft);
  run(weft + " delete table inet weft_lock_weft0");
  CHECK(keeper->repair().lifted);
  CHECK(is_locked("weft0") == false);
  CHECK_FALSE(keeper->is_locked());
}

TEST_CASE("a lock that was on trial is swept, another one is not") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto rules = rules_of("weft0");
  rules.on_trial = GENERATE(false, true);
  auto keeper = lock_keeper::open();
  REQUIRE(keeper);
  REQUIRE(keeper->lock(rules));
  REQUIRE(keeper->set_marks(rules_of("weft0")));
  REQUIRE(sweep_tables("weft0"));
  CHECK(is_locked("weft0") == !rules.on_trial);
  CHECK_FALSE(succeeds("nft list table inet weft_marks_weft0 2>/dev/null"));
}

TEST_CASE("a lock outlives its keeper, the table of marks does not") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  {
    auto keeper = lock_keeper::open();
    REQUIRE(keeper);
    REQUIRE(keeper->lock(rules_of("weft0")));
    REQUIRE(keeper->set_marks(rules_of("weft0")));
    run("nft list table inet weft_marks_weft0 >/dev/null");
  }
  CHECK_FALSE(succeeds("nft list table inet weft_marks_weft0 2>/dev/null"));
  CHECK(locked_interfaces() == std::vector<std::string>{"weft0"});
  REQUIRE(lift_lock("weft0"));
  CHECK(locked_interfaces() == std::vector<std::string>{});
}
