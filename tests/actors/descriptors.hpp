// Descriptors and what a loop says of them, for tests.
#pragma once

#include "tests/actors/support.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace weft::test {

/// An eventfd that is closed at the end; readable once it is set.
class signal_descriptor {
public:
  signal_descriptor() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  }
  int get() const {
    return fd_.get();
  }
  void set() const {
    const std::uint64_t one = 1;
    REQUIRE(::write(fd_.get(), &one, sizeof one) == sizeof one);
  }
  void clear() const {
    std::uint64_t value = 0;
    std::ignore = ::read(fd_.get(), &value, sizeof value);
  }

private:
  file_descriptor fd_;
};

/// Records what a loop says of a descriptor.
struct recorder final : descriptor_handler {
  struct event {
    bool readable = false;
    bool writable = false;
    std::thread::id thread;
  };
  struct failure {};

  void ready(bool readable, bool writable) override {
    log.push(event{readable, writable, std::this_thread::get_id()});
    if (action)
      action();
  }
  void failed() override {
    log.push(failure{});
  }

  message_log log;
  std::function<void()> action;
};

} // namespace weft::test
