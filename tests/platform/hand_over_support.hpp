// What the tests of descriptors that go from process to process share.
#pragma once

#include "platform/clock.hpp"
#include "tests/platform/support.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <utility>

namespace weft::test {

/// Generous: only a fault reaches it.
inline time_point soon() {
  return boot_now() + std::chrono::seconds{20};
}

/// A descriptor whose file holds this text.
inline file_descriptor file_with(const std::string& text) {
  file_descriptor made{::memfd_create("test", MFD_CLOEXEC)};
  REQUIRE(::pwrite(made.get(), text.data(), text.size(), 0)
          == static_cast<ssize_t>(text.size()));
  return made;
}

inline std::string text_of(const file_descriptor& file) {
  std::array<char, 64> text{};
  const auto size = ::pread(file.get(), text.data(), text.size(), 0);
  return {text.data(), static_cast<std::size_t>(size < 0 ? 0 : size)};
}

/// A process of its own, which is ended when it goes out of scope.
class child_process {
public:
  explicit child_process(const std::function<int()>& run) : id_(::fork()) {
    REQUIRE(id_ >= 0);
    if (id_ == 0)
      ::_exit(run());
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  ~child_process() {
    if (id_ > 0)
      kill();
  }

  int number() const {
    return id_;
  }
  void kill() {
    ::kill(id_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(id_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

private:
  pid_t id_;
};

} // namespace weft::test
