#include "platform/run_delay.hpp"

#include "tests/catch.hpp"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

using namespace weft;
using namespace std::chrono_literals;

namespace {

void stay_on_processor(std::size_t which) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(which, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

} // namespace

TEST_CASE("A thread that shares a processor is seen to wait for it, and its "
          "end is noticed") {
  const auto where = static_cast<std::size_t>(::sched_getcpu());
  std::atomic<int> number{0};
  std::atomic<bool> ends{false};
  const auto busy = [&](bool tells) {
    stay_on_processor(where);
    if (tells)
      number = own_thread_number();
    while (!ends) {
    }
  };
  std::jthread first{busy, true};
  std::jthread second{busy, false};
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (number == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
  auto delay = run_delay::of_thread(number);
  if (!delay) {
    ends = true;
    WARN("skipped: " << delay.error().message);
    return;
  }
  const auto before = delay->read();
  auto after = before;
  while (before && after && *after < *before + 20ms
         && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
    after = delay->read();
  }
  ends = true;
  REQUIRE(before);
  REQUIRE(after);
  CHECK(*after >= *before + 20ms);
  first.join();
  second.join();
  CHECK_FALSE(delay->read());
}

TEST_CASE("A thread that is not there cannot be watched") {
  const auto delay = run_delay::of_thread(-1);
  REQUIRE_FALSE(delay);
  CHECK(delay.error().message.find("schedstat") != std::string::npos);
}
