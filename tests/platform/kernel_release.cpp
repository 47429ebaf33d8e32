#include "platform/kernel_release.hpp"

#include "tests/catch.hpp"

using namespace weft;

TEST_CASE("This kernel has a release that begins with a number") {
  const auto release = kernel_release();
  REQUIRE_FALSE(release.empty());
  CHECK((release[0] >= '0' && release[0] <= '9'));
}

TEST_CASE("Kernels from 7.0.0 to 7.1.4 may mangle datagrams that leave "
          "together, and no others") {
  for (const auto* release : {"7.0.0", "7.0.0-rc3", "7.0", "7.0.12-arch1-1",
                              "7.1", "7.1.0-14-generic", "7.1.4", "7.1.4+"})
    CHECK(may_mangle_gso(release));
  for (const auto* release :
       {"6.1.0-18-amd64", "6.18.44", "6.99.99", "7.1.5", "7.1.10", "7.2",
        "7.2.0-rc1", "7.10.1", "8.0.0", "70.0.1", "", "unknown", "v7.0.1"})
    CHECK_FALSE(may_mangle_gso(release));
}
