#include "platform/echo.hpp"

#include "tests/platform/support.hpp"

#include <net/if.h>

#include <cerrno>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 5s;
constexpr auto moment = 200ms;

} // namespace

TEST_CASE("an echo request of any size is answered on the loopback link") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto* text = GENERATE("127.0.0.1", "::1");
  const auto size
    = GENERATE(std::size_t{64}, std::size_t{1420}, std::size_t{9001});
  const auto answered = answers_echo(address(text), size, patience);
  REQUIRE(answered);
  CHECK(*answered);
}

TEST_CASE("a request that is lost on its way, or too long for the link, is not "
          "answered") {
  if (!can_make_networks())
    return;
  const network_namespace right;
  const network_namespace left;
  run("ip link add a0 type veth peer name b0");
  move_link(static_cast<int>(::if_nametoindex("b0")), right.descriptor());
  right.visit([] {
    run("ip addr add 10.7.0.2/24 dev b0 && ip link set b0 up mtu 1300");
  });
  run("ip addr add 10.7.0.1/24 dev a0 && ip link set a0 up");
  const auto to = address("10.7.0.2");
  CHECK(answers_echo(to, 1300, patience) == true);
  CHECK(answers_echo(to, 1400, moment) == false);
  CHECK(answers_echo(address("10.7.0.3"), 100, moment) == false);
  const auto too_long = answers_echo(to, 1501, moment);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code == EMSGSIZE);
  CHECK_FALSE(answers_echo(address("192.0.2.1"), 100, moment)); // no route
}
