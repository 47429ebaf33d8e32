#include "protocol/base/control_role.hpp"

#include "tests/catch.hpp"

using namespace weft;

TEST_CASE("roles have the names that certificates state") {
  for (const auto role :
       {control_role::node, control_role::operate, control_role::view})
    CHECK(parse_control_role(to_string(role)) == role);
  CHECK(to_string(control_role::operate) == "operator");
  CHECK_FALSE(parse_control_role("root"));
  CHECK_FALSE(parse_control_role(""));
}
