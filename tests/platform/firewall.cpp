#include "platform/firewall.hpp"

#include "tests/platform/support.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

const std::string table_text = "table inet weft_test-1.x {\n\tchain a {\n"
                               "\t\ttype filter hook output priority filter; "
                               "policy accept;\n\t\toifname \"lo\" accept\n\t}"
                               "\n}\n";

} // namespace

TEST_CASE("a table is set as a whole, listed, and removed") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto filter = firewall::open();
  REQUIRE(filter);
  CHECK(filter->table("weft_test-1.x") == std::string{});
  REQUIRE(filter->run(table_text));
  CHECK(filter->table("weft_test-1.x") == table_text);
  CHECK(firewall_tables() == std::vector<std::string>{"weft_test-1.x"});
  const auto all = filter->ruleset_as_json();
  REQUIRE(all);
  CHECK(all->starts_with("{\"nftables\": ["));
  CHECK(all->find("\"table\": \"weft_test-1.x\"") != std::string::npos);
  CHECK(filter->table("weft_test-1.x") == table_text);
  REQUIRE(filter->remove("weft_test-1.x"));
  REQUIRE(filter->remove("weft_test-1.x"));
  CHECK(firewall_tables() == std::vector<std::string>{});
}

TEST_CASE("of commands that fail none is in force, and nft says why") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto filter = firewall::open();
  REQUIRE(filter);
  const auto refused
    = filter->run("add table inet weft_a\nadd rule inet weft_b c accept");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("No such file or directory")
        != std::string::npos);
  CHECK(refused.error().code == ENOENT);
  CHECK(firewall_tables() == std::vector<std::string>{});
  const auto nonsense = filter->run("do nothing");
  REQUIRE_FALSE(nonsense);
  CHECK(nonsense.error().message.find("syntax error") != std::string::npos);
}

TEST_CASE("changes of the filter are told, and whose they are") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto monitor = firewall_monitor::open();
  REQUIRE(monitor);
  CHECK(monitor->read().empty());
  run("nft add table inet weft_test");
  REQUIRE(await_readable(monitor->descriptor()));
  auto changes = monitor->read();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].program == "nft");
  CHECK(changes[0].removed.empty());
  run("nft flush ruleset");
  REQUIRE(await_readable(monitor->descriptor()));
  changes = monitor->read();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].program == "nft");
  CHECK(changes[0].removed == std::vector<std::string>{"weft_test"});
}

TEST_CASE("without privileges, the tables are not told, with the remedy") {
  if (!can_make_networks())
    return;
  const auto code = in_child([] {
    constexpr uid_t nobody = 65534;
    if (::setresuid(nobody, nobody, nobody) != 0)
      return 1;
    const auto refused = firewall_tables();
    return !refused && refused.error().code == EPERM
               && refused.error().message.find("run it as root")
                    != std::string::npos
             ? 0
             : 2;
  });
  CHECK(code == 0);
}

TEST_CASE(
  "without a descriptor to spare, the filter is not opened, and nothing "
  "ends") {
  const auto code = in_child([] {
    const rlimit few{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &few);
    const auto refused = firewall::open();
    return refused || refused.error().code != EMFILE ? 1 : 0;
  });
  CHECK(code == 0);
}

TEST_CASE("without memory to spare, the filter is neither opened nor changed, "
          "and nothing ends") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto filter = firewall::open();
  REQUIRE(filter);
  const auto code = in_child([&] {
    const auto limit = address_space() + (rlim_t{4} << 20);
    const rlimit little{limit, limit};
    ::setrlimit(RLIMIT_AS, &little);
    const auto refused = firewall::open();
    if (refused || refused.error().code != ENOMEM)
      return 1;
    const auto unchanged = filter->run(table_text);
    return unchanged || unchanged.error().code != ENOMEM ? 2 : 0;
  });
  CHECK(code == 0);
}
