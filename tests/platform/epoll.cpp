#include "platform/epoll.hpp"

#include "platform/clock.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

struct pipe_pair {
  file_descriptor reading;
  file_descriptor writing;

  pipe_pair() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    reading = file_descriptor{ends[0]};
    writing = file_descriptor{ends[1]};
  }
  void put() const {
    REQUIRE(::write(writing.get(), "x", 1) == 1);
  }
};

} // namespace

TEST_CASE("a poller reports what is readable and what is writable, by tag") {
  auto events = poller::open();
  REQUIRE(events);
  const pipe_pair pair;
  int in = 0;
  int out = 0;
  REQUIRE(events->watch(pair.reading.get(), interest::read, &in));
  CHECK(events->wait(false).empty());
  pair.put();
  auto ready = events->wait(true);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].tag == &in);
  CHECK(ready[0].readable);
  CHECK_FALSE(ready[0].writable);

  REQUIRE(events->watch(pair.writing.get(), interest::write, &out));
  events->forget(pair.reading.get());
  ready = events->wait(true);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].tag == &out);
  CHECK(ready[0].writable);
  CHECK_FALSE(ready[0].readable);
}

TEST_CASE("a poller is silent about a descriptor that nobody is interested in, "
          "even when it hung up") {
  auto events = poller::open();
  REQUIRE(events);
  pipe_pair pair;
  int tag = 0;
  REQUIRE(events->watch(pair.reading.get(), interest::read, &tag));
  pair.writing.reset();
  REQUIRE(events->wait(true).size() == 1);
  REQUIRE(events->watch(pair.reading.get(), interest::none, &tag));
  CHECK(events->wait(false).empty());
  REQUIRE(events->watch(pair.reading.get(), interest::none, &tag));
  REQUIRE(events->watch(pair.reading.get(), interest::read, &tag));
  const auto ready = events->wait(true);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].readable);
}

TEST_CASE("another thread wakes a poller, once for each wait") {
  auto opened = poller::open();
  REQUIRE(opened);
  auto events = std::move(*opened); // a moved poller knows its own descriptors
  std::atomic<bool> woken = false;
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    woken = true;
    events.wake();
    events.wake();
  });
  CHECK(events.wait(true).empty());
  CHECK(woken);
  other.join();
  // Both wake-ups are used up by now, or with this wait.
  events.wait(false);
  events.set_deadline(boot_now() + 30ms);
  const auto before = boot_now();
  CHECK(events.wait(true).empty());
  CHECK(boot_now() - before >= 29ms);
}

TEST_CASE("a poller's wait ends at its deadline") {
  auto events = poller::open();
  REQUIRE(events);
  const auto deadline = boot_now() + 20ms;
  events->set_deadline(deadline);
  CHECK(events->wait(true).empty());
  CHECK(boot_now() >= deadline);

  SECTION("and it can be set to the same time again") {
    events->set_deadline(deadline);
    CHECK(events->wait(true).empty());
  }
  SECTION("and at once when it lies in the past") {
    events->set_deadline(time_point{});
    CHECK(events->wait(true).empty());
    events->set_deadline(boot_now() - 1h);
    CHECK(events->wait(true).empty());
  }
  SECTION("and not at one that was taken back or moved") {
    events->set_deadline(boot_now() - 1s);
    events->set_deadline(std::nullopt);
    std::atomic<bool> woken = false;
    std::thread other([&] {
      std::this_thread::sleep_for(50ms);
      woken = true;
      events->wake();
    });
    CHECK(events->wait(true).empty());
    CHECK(woken);
    other.join();
  }
}

TEST_CASE("a poller reports more descriptors than one wait has room for") {
  auto events = poller::open();
  REQUIRE(events);
  std::vector<pipe_pair> pairs(100);
  std::vector<int> seen(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].put();
    REQUIRE(events->watch(pairs[i].reading.get(), interest::read, &seen[i]));
  }
  events->wake();
  std::size_t count = 0;
  while (count < pairs.size()) {
    const auto ready = events->wait(true);
    for (const auto& entry : ready) {
      auto& number = *static_cast<int*>(entry.tag);
      CHECK(number == 0);
      number = 1;
      events->forget(
        pairs[static_cast<std::size_t>(&number - seen.data())].reading.get());
    }
    count += ready.size();
  }
  CHECK(count == pairs.size());
}

TEST_CASE("a poller refuses a descriptor that is closed") {
  auto events = poller::open();
  REQUIRE(events);
  const auto watched = events->watch(-1, interest::read, nullptr);
  REQUIRE_FALSE(watched);
  CHECK(watched.error().code == EBADF);
}

TEST_CASE("the clocks go forward, and the wall clock tells the time of day") {
  const auto first = instant_now();
  const auto second = instant_now();
  CHECK(second.now >= first.now);
  const auto difference = std::chrono::system_clock::now() - first.wall;
  CHECK(difference < 10s);
  CHECK(difference > -10s);
}
