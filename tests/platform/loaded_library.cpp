#include "platform/loaded_library.hpp"

#include "tests/platform/support.hpp"

#include <cerrno>

using namespace weft;

TEST_CASE("a library is loaded, and its functions are found by their names") {
  auto library = loaded_library::load("libm.so.6", "libc6");
  REQUIRE(library);
  double (*root)(double) = nullptr;
  library->find(root, "sqrt");
  CHECK(library->check());
  REQUIRE(root != nullptr);
  CHECK(root(9) == 3);
  library->find(root, "no_such_function").find(root, "nor_this");
  CHECK(root == nullptr);
  const auto lacks = library->check();
  REQUIRE_FALSE(lacks);
  CHECK(lacks.error().message
        == "libm.so.6 has no no_such_function: a newer version of it is "
           "needed");
}

TEST_CASE("a library that is missing is named, with the remedy") {
  const auto refused = loaded_library::load("libweft-none.so.0", "libweft");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ELIBACC);
  CHECK(refused.error().message.find("libweft-none.so.0") != std::string::npos);
  CHECK(refused.error().message.find("install libweft") != std::string::npos);
}
