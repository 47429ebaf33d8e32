#include "platform/loaded_library.hpp"

#include "tests/platform/support.hpp"

#include <cerrno>
#include <cmath>

using namespace weft;

TEST_CASE("a library is loaded, and its functions are found by their names") {
  const auto library = loaded_library::load("libm.so.6");
  REQUIRE(library);
  double (*root)(double) = nullptr;
  REQUIRE(library->find(root, "sqrt"));
  CHECK(root(9) == 3);
  CHECK_FALSE(library->find(root, "no_such_function"));
  CHECK(root == nullptr);
}

TEST_CASE("a library that is missing is named, with the remedy") {
  const auto refused = loaded_library::load("libweft-none.so.0");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ELIBACC);
  CHECK(refused.error().message.find("libweft-none.so.0") != std::string::npos);
  CHECK(refused.error().message.find("Install the package")
        != std::string::npos);
}
