#include "platform/processor_time.hpp"

#include "tests/platform/support.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

using namespace weft;
using namespace weft::test;

TEST_CASE("what a thread has used of the processor is told of any of them, "
          "until it has ended") {
  const auto number = static_cast<int>(::syscall(SYS_gettid));
  const auto before = processor_time(number);
  REQUIRE(before);
  while (*processor_time(number) < *before + std::chrono::milliseconds{5})
    ;
  int other = 0;
  std::thread([&] {
    other = static_cast<int>(::syscall(SYS_gettid));
    CHECK(processor_time(number) >= before);
    CHECK(processor_time(other) < processor_time(number));
  }).join();
  while (processor_time(other)) // the kernel is a little behind
    std::this_thread::yield();
  CHECK_FALSE(processor_time(0));
}
