#include "platform/thread.hpp"

#include "tests/platform/support.hpp"

#include <sys/resource.h>

using namespace weft;
using namespace weft::test;

TEST_CASE("whether threads can be had is found out as often as one likes") {
  for (std::size_t i = 0; i < 100; ++i)
    REQUIRE(check_threads(i % 8));
}

TEST_CASE("where no more threads can be had, that is an error that says so") {
  const auto code = in_child([] {
    const auto limit = address_space() + (rlim_t{4} << 20); // half a stack
    const rlimit little{limit, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_AS, &little) != 0)
      return 1;
    const auto room = check_threads(64); // the C library keeps a few stacks
    if (room || room.error().message.find("A limit") == std::string::npos)
      return 2;
    const rlimit plenty{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_AS, &plenty);
    return check_threads(4) ? 0 : 3;
  });
  CHECK(code == 0);
}
