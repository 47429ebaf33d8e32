#include "platform/links.hpp"

#include "tests/platform/support.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

TEST_CASE("a link is found by its name and by its index") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  run("ip link add a0 mtu 1300 type veth peer name b0 && ip link set a0 up");
  const auto found = find_link("a0");
  REQUIRE(found);
  CHECK(found->name == "a0");
  CHECK(found->mtu == 1300);
  CHECK(found->up);
  const auto same = find_link(found->index);
  REQUIRE(same);
  CHECK(same->name == "a0");
  const auto other = find_link("b0");
  REQUIRE(other);
  CHECK_FALSE(other->up);
  const auto nobody = find_link("c0");
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == ENODEV);
}
