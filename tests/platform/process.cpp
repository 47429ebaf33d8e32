#include "platform/process.hpp"

#include "platform/service_manager.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <new>
#include <stdexcept>
#include <thread>
#include <tuple>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

struct pipe_ends {
  file_descriptor reading;
  file_descriptor writing;
};

pipe_ends make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  return {file_descriptor{ends[0]}, file_descriptor{ends[1]}};
}

/// One byte, waiting for it 10 s at most.
bool arrives(const file_descriptor& fd) {
  char byte = 0;
  return await_readable(fd.get()) && ::read(fd.get(), &byte, 1) == 1;
}

/// The end of all writers, waiting for it 10 s at most.
bool ends(const file_descriptor& fd) {
  char byte = 0;
  return await_readable(fd.get()) && ::read(fd.get(), &byte, 1) == 0;
}

/// Memory of this process that is never written to the swap.
long locked_kilobytes() {
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;) {
    long number = 0;
    if (word == "VmLck:" && status >> number)
      return number;
  }
  return -1;
}

/// Whether this process may lock more than any limit allows, as root may.
bool may_lock_memory() {
  if (::mlockall(0) == 0) // AddressSanitizer answers instead of the kernel
    return false;
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &all) == 0)
    return true;
  const std::size_t much = std::size_t{1} << 30; // and nothing of it is used
  void* place = ::mmap(nullptr, much, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return place != MAP_FAILED && ::mlock2(place, much, MLOCK_ONFAULT) == 0;
}

/// What a child process wrote to standard error.
std::string complaint_of(const std::function<int()>& action, int expected) {
  auto output = make_pipe();
  CHECK(in_child([&] {
          ::dup2(output.writing.get(), STDERR_FILENO);
          return action();
        })
        == expected);
  output.writing.reset();
  std::string text(1000, '\0');
  const auto got = ::read(output.reading.get(), text.data(), text.size());
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

} // namespace

TEST_CASE("signals come out of a descriptor instead of ending the program") {
  const auto code = in_child([] {
    const auto watch = signal_watch::open();
    if (!watch || watch->read() != 0)
      return 1;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
      // A thread started later does not take it either.
      std::thread{[&] { ::kill(::getpid(), signal); }}.join();
      if (!await_readable(watch->descriptor()) || watch->read() != signal)
        return 2;
    }
    return watch->read() == 0 ? 0 : 3;
  });
  CHECK(code == 0);
}

TEST_CASE("a protected process leaves no core dump and cannot be traced") {
  const auto code = in_child([] {
    protect_memory();
    rlimit limit{1, 1};
    ::getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_cur != 0 || limit.rlim_max != 0)
      return 1;
    if (may_lock_memory() && locked_kilobytes() == 0)
      return 3;
    return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 2;
  });
  CHECK(code == 0);
}

TEST_CASE("locked memory is given back to the system where that was asked for, "
          "and locked again") {
  const auto code = in_child([] {
    protect_memory();
    const bool locked = locked_kilobytes() > 0;
    const std::size_t size = 1 << 20;
    void* place = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
      return 1;
    std::memset(place, 1, size);
    if (locked && ::madvise(place, size, MADV_DONTNEED) == 0)
      return 2; // then there would be no need for it
    bool given = false;
    while_memory_is_unlocked(
      [&] { given = ::madvise(place, size, MADV_DONTNEED) == 0; });
    if (!given)
      return 3;
    return (locked_kilobytes() > 0) == locked ? 0 : 4;
  });
  CHECK(code == 0);
}

TEST_CASE("the limit of open files is raised as far as allowed") {
  const auto code = in_child([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 16;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    prepare_descriptors();
    rlimit raised{};
    ::getrlimit(RLIMIT_NOFILE, &raised);
    return raised.rlim_cur == limit.rlim_max ? 0 : 1;
  });
  CHECK(code == 0);
}

TEST_CASE("there is room for the open files of a node before it has threads") {
  const auto code = in_child([] {
    prepare_descriptors();
    std::ifstream status{"/proc/self/status"};
    std::string word;
    while (status >> word && word != "FDSize:") {
    }
    std::size_t room = 0;
    status >> room;
    return room >= 512 ? 0 : 1;
  });
  CHECK(code == 0);
}

TEST_CASE("a program in the background releases its caller when it is ready, "
          "and not before") {
  const auto report = make_pipe();
  auto output = make_pipe();
  const auto leash = make_pipe();
  const auto code = in_child([&] {
    ::dup2(output.writing.get(), STDOUT_FILENO);
    output.writing.reset();
    auto ground = background::enter();
    if (!ground)
      return 1;
    std::this_thread::sleep_for(50ms);
    if (::write(report.writing.get(), "r", 1) != 1)
      return 2;
    ground->ready();
    ground->ready();
    // Runs on until the test lets go.
    const bool released = arrives(leash.reading);
    std::array<char, 16> folder{};
    const bool moved = ::getcwd(folder.data(), folder.size()) != nullptr
                       && std::strcmp(folder.data(), "/") == 0;
    const bool leads = ::getsid(0) == ::getpid();
    if (released && moved && leads)
      static_cast<void>(::write(report.writing.get(), "e", 1));
    return 0;
  });
  CHECK(code == 0);
  // The report was there before the caller was released.
  pollfd entry{report.reading.get(), POLLIN, 0};
  REQUIRE(::poll(&entry, 1, 0) == 1);
  CHECK(arrives(report.reading));
  // Its output does not keep anybody waiting.
  output.writing.reset();
  CHECK(ends(output.reading));
  REQUIRE(::write(leash.writing.get(), "x", 1) == 1);
  CHECK(arrives(report.reading));
}

TEST_CASE("the caller of a program that ends before it is ready gets its exit "
          "code") {
  CHECK(in_child([] {
          auto ground = background::enter();
          return ground ? 7 : 1;
        })
        == 7);
  CHECK(in_child([] {
          auto ground = background::enter();
          std::ignore = ::raise(SIGKILL);
          return 0;
        })
        == 128 + SIGKILL);
}

TEST_CASE("a log file stays open in the background") {
  const temporary_folder folder;
  const auto path = folder.path() + "/log";
  const auto done = make_pipe();
  const auto code = in_child([&] {
    const file_descriptor log{
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600)};
    ::dup2(log.get(), STDERR_FILENO);
    auto ground = background::enter();
    ground->ready();
    static_cast<void>(::write(STDERR_FILENO, "later", 5));
    static_cast<void>(::write(done.writing.get(), "d", 1));
    return 0;
  });
  CHECK(code == 0);
  REQUIRE(arrives(done.reading));
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK(info.st_size == 5);
}

TEST_CASE("standard descriptors that the caller closed are no longer free") {
  const auto mask = GENERATE(range(0, 8));
  const auto code = in_child([mask] {
    for (int fd = 0; fd < 3; ++fd) {
      if ((mask & 1 << fd) != 0)
        ::close(fd);
    }
    complete_standard_descriptors();
    struct stat null {};
    ::stat("/dev/null", &null);
    for (int fd = 0; fd < 3; ++fd) {
      struct stat info {};
      if (::fstat(fd, &info) != 0)
        return 1;
      if ((mask & 1 << fd) != 0 && info.st_rdev != null.st_rdev)
        return 2;
    }
    const file_descriptor next{::open("/dev/null", O_RDONLY)};
    return next.get() > 2 ? 0 : 3;
  });
  CHECK(code == 0);
}

TEST_CASE("descriptors of the caller are closed, but for the standard ones") {
  const auto code = in_child([] {
    const int low = ::open("/dev/null", O_RDONLY);
    const int high = ::fcntl(low, F_DUPFD, 800);
    close_inherited_descriptors();
    for (const int fd : {low, high}) {
      if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF)
        return 1;
    }
    return ::fcntl(STDERR_FILENO, F_GETFD) == 0 ? 0 : 2;
  });
  CHECK(code == 0);
}

TEST_CASE("descriptors that are to be kept stay open") {
  const auto code = in_child([] {
    const int low = ::open("/dev/null", O_RDONLY);
    const int kept = ::fcntl(low, F_DUPFD, 40);
    const int high = ::fcntl(low, F_DUPFD, 800);
    const int last = ::fcntl(low, F_DUPFD, 900);
    close_inherited_descriptors_but({high, kept});
    for (const int fd : {low, last}) {
      if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF)
        return 1;
    }
    return ::fcntl(kept, F_GETFD) >= 0 && ::fcntl(high, F_GETFD) >= 0 ? 0 : 2;
  });
  CHECK(code == 0);
}

TEST_CASE("a SIGHUP that comes early is kept for the one who watches signals") {
  const auto code = in_child([] {
    hold_hang_up();
    std::ignore = ::raise(SIGHUP);
    const auto watch = signal_watch::open();
    return watch && watch->read() == SIGHUP ? 0 : 1;
  });
  CHECK(code == 0);
}

TEST_CASE("memory that runs out while a program starts is said, and no abort") {
  const auto said = complaint_of(
    [] {
      tell_failures("weftd");
      std::thread{[] {
        throw std::bad_alloc{}; // as operator new would, were there no handler
      }}.join();
      return 0;
    },
    1);
  CHECK(said == "weftd: out of memory\n");
  const auto at_once = complaint_of(
    [] {
      tell_failures("weftd");
      (*std::get_new_handler())();
      return 0;
    },
    1);
  CHECK(at_once == said);
}

TEST_CASE("an exception that nobody catches is said") {
  const auto said = complaint_of(
    [] {
      tell_failures("weftd");
      tell_failures_no_longer();
      if (std::get_new_handler() != nullptr)
        return 2;
      std::thread{[] { throw std::runtime_error{"no more threads"}; }}.join();
      return 0;
    },
    1);
  CHECK(said == "weftd: no more threads\n");
}
