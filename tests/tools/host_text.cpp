// What a node needs of its host, as it is shown.
#include "tools/weft/view/host_text.hpp"

#include "example_device.hpp"
#include "tests/catch.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

using namespace weft;
using Catch::Contains;

namespace {

const std::vector<host_item> items{{"mtu", "1420", false, "1300"},
                                   {"address", "10.0.0.1/24", true, ""},
                                   {"rule", "20001: lookup 7", false, ""}};

} // namespace

TEST_CASE("What is not as it should be is named") {
  CHECK(host_lines({}).empty());
  CHECK(host_lines({items[1]})
        == std::vector<std::string>{"1 of 1 things in place"});
  CHECK(host_lines(items)
        == std::vector<std::string>{"1 of 3 things in place",
                                    "the MTU is 1300 instead of 1420",
                                    "the rule 20001: lookup 7 is missing"});
}

TEST_CASE("The status shows what is missing on the host, as table and JSON") {
  auto device = example_device();
  device.host = items;
  const auto table = format_table(device, example_now, {});
  CHECK_THAT(table, Contains("host        1 of 3 things in place")
                      && Contains("the MTU is 1300 instead of 1420"));
  const auto all = nlohmann::json::parse(format_json({device}));
  CHECK(all[0]["host"][0]
        == nlohmann::json{{"kind", "mtu"},
                          {"value", "1420"},
                          {"in_place", false},
                          {"found", "1300"}});
  CHECK(all[0]["host"][1]["found"].is_null());
}
