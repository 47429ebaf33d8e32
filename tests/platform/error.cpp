#include "platform/error.hpp"

#include "tests/catch.hpp"

#include <cerrno>

using namespace weft;

TEST_CASE("an error says what failed, why, and what to do") {
  auto error = make_system_error(ENOENT, "Cannot open x", "Make it");
  CHECK(error.code == ENOENT);
  CHECK(error.message == "Cannot open x: No such file or directory. Make it");
  CHECK(make_system_error(0, "No", "Try").message == "No. Try");
}

TEST_CASE("a lack of privilege names the capability and how to get it") {
  CHECK_THAT(make_system_error(EPERM, "Cannot").message,
             Catch::Contains("CAP_NET_ADMIN") && Catch::Contains("root")
               && Catch::Contains("setcap")
               && Catch::Contains("--cap-add NET_ADMIN"));
  CHECK_THAT(make_system_error(EPERM, "Cannot", "Do so").message,
             !Catch::Contains("CAP_NET_ADMIN"));
}
