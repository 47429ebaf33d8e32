#include "tools/weft/host/lock_record.hpp"

#include "tests/catch.hpp"
#include "tests/tools/temporary_folder.hpp"

using namespace weft;

namespace {

interface_config locked(const std::string& name) {
  interface_config interface;
  interface.name = name;
  interface.kill_switch = true;
  return interface;
}

} // namespace

TEST_CASE("A lock is found by its file until it is forgotten") {
  const temporary_folder folder;
  lock_records records{folder.path() + "/records"};
  auto interface = locked("weft0");
  interface.kill_switch_allow = {*parse_ip_prefix("192.0.2.0/24")};
  REQUIRE(records.keep("/etc/weft/a.yaml", interface));
  REQUIRE(records.keep("/etc/weft/b.yaml", locked("weft1")));
  const auto found = records.find("/etc/weft/a.yaml");
  REQUIRE(found);
  CHECK(found->name == "weft0");
  CHECK(found->kill_switch);
  CHECK(found->kill_switch_allow == interface.kill_switch_allow);
  REQUIRE(records.forget("weft0"));
  CHECK_FALSE(records.find("/etc/weft/a.yaml"));
  REQUIRE(records.forget_file("/etc/weft/b.yaml"));
  CHECK_FALSE(records.find("/etc/weft/b.yaml"));
}

TEST_CASE("An interface that has another name now has the lock of that alone") {
  const temporary_folder folder;
  lock_records records{folder.path()};
  for (const auto* name : {"weft0", "weft1", "a"}) {
    REQUIRE(records.keep("/etc/weft/a.yaml", locked(name)));
    const auto found = records.find("/etc/weft/a.yaml");
    REQUIRE(found);
    CHECK(found->name == name);
  }
  REQUIRE(records.forget("a"));
  CHECK_FALSE(records.find("/etc/weft/a.yaml"));
}

TEST_CASE("Half of a record, left by an end of the power, is none") {
  const temporary_folder folder;
  const lock_records records{folder.path()};
  folder.write(".weft0.yaml.7.new", "# the lock of /etc/weft/a.yaml\n"
                                    "interface:\n  name: weft0\n");
  CHECK_FALSE(records.find("/etc/weft/a.yaml"));
}
