// Stands before the C library's rename(), which it calls.
#include "tests/actors/slow_disk.hpp"

#include "tests/catch.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace {

struct held_place {
  std::mutex mutex;
  std::condition_variable changed;
  std::string path;    ///< empty: nothing is held up
  std::string waiting; ///< what is to be put there
};

held_place& place() {
  static held_place only;
  return only;
}

void wait_at(const std::string& from, const char* to) {
  auto& here = place();
  std::unique_lock lock(here.mutex);
  if (here.path.empty() || here.path != to)
    return;
  here.waiting = from;
  here.changed.notify_all();
  here.changed.wait(lock, [&] { return here.waiting != from; });
}

} // namespace

namespace weft::test {

slow_disk::slow_disk(std::string path) {
  const std::lock_guard guard(place().mutex);
  place().path = std::move(path);
}

slow_disk::~slow_disk() {
  {
    const std::lock_guard guard(place().mutex);
    place().path.clear();
  }
  go_on();
}

std::string slow_disk::next() {
  std::unique_lock lock(place().mutex);
  REQUIRE(place().changed.wait_for(lock, std::chrono::minutes{1},
                                   [] { return !place().waiting.empty(); }));
  return place().waiting;
}

void slow_disk::go_on() {
  {
    const std::lock_guard guard(place().mutex);
    place().waiting.clear();
  }
  place().changed.notify_all();
}

} // namespace weft::test

extern "C" int rename(const char* from, const char* to) noexcept {
  wait_at(from, to);
  return static_cast<int>(
    ::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
