#include "platform/resolve.hpp"

#include "tests/platform/support.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("addresses resolve to themselves, once, with the port") {
  const auto* text = GENERATE("192.0.2.7", "2001:db8::7");
  const auto found = resolve_host(text, 51820);
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK(found->front() == endpoint{address(text), 51820});
}

TEST_CASE("a link-local address keeps its interface") {
  const auto found = resolve_host("fe80::1%lo", 1);
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK(found->front().scope_id == 1);
}

TEST_CASE("the local host resolves") {
  const auto found = resolve_host("localhost", 51820);
  REQUIRE(found);
  REQUIRE_FALSE(found->empty());
  for (const auto& where : *found) {
    CHECK(where.port == 51820);
    CHECK((where.address == address("127.0.0.1")
           || where.address == address("::1")));
  }
}

TEST_CASE("a host that is unknown is named in the error") {
  if (!can_make_networks())
    return;
  const network_namespace without_network;
  const auto found = resolve_host("host.invalid", 51820);
  REQUIRE_FALSE(found);
  CHECK_THAT(found.error().message, Catch::Contains("host.invalid"));
}

TEST_CASE("a service that nobody knows has no port") {
  CHECK_FALSE(find_service_port("no-such-service"));
  const auto https = find_service_port("https"); // where there is the file
  CHECK((!https || *https == 443));
}
