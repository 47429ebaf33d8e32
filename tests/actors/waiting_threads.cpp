#include "actors/loop/waiting_threads.hpp"

#include "tests/actors/support.hpp"

#include <sched.h>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

void stay_on_processor(int which) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(which), &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

} // namespace

TEST_CASE("Loops that share a core are seen to wait for it, also when one has "
          "ended") {
  world home;
  const auto lane = home.start_loop("test-lane");
  const auto other = home.start_loop("test-cipher");
  auto short_lived = io_loop::start(home.system(), "test-short");
  REQUIRE(short_lived);
  waiting_threads threads{{lane.loop, other.loop, *short_lived}};
  const auto read = [&] { return lane.run([&] { return threads.read(); }); };
  const auto before = read();
  (*short_lived)->stop();
  if (!before) {
    WARN("skipped: " << before.error().message);
    return;
  }
  const auto where = ::sched_getcpu();
  for (const auto* loop : {&lane, &other})
    loop->run([&] { stay_on_processor(where); });
  const auto ends = std::make_shared<std::atomic<bool>>(false);
  caf::anon_send(other.worker, work{[ends] {
                   while (!*ends) {
                   }
                 }});
  CHECK(eventually([&] {
    const auto after = read();
    return after && *after >= *before + 20ms;
  }));
  *ends = true;
}
