#include "platform/process.hpp"

#include "platform/leaving.hpp"
#include "platform/linux/capabilities.hpp"
#include "platform/linux/locked_memory.hpp"
#include "platform/service_manager.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

result<signal_watch> signal_watch::open() {
  static constexpr std::array end{SIGINT, SIGTERM, SIGHUP};
  return open(end);
}

result<signal_watch> signal_watch::open(std::span<const int> signals) {
  sigset_t set{};
  ::sigemptyset(&set);
  for (const int signal : signals)
    ::sigaddset(&set, signal);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0)
    return tl::unexpected(make_system_error(code, "Cannot block signals"));
  signal_watch made;
  made.fd_ = file_descriptor{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!made.fd_)
    return tl::unexpected(make_system_error(errno, "Cannot watch signals"));
  return made;
}

int signal_watch::read() const {
  return next_signal(*this).number;
}

caught_signal next_signal(const signal_watch& from) {
  signalfd_siginfo info{};
  ssize_t got = 0;
  do
    got = ::read(from.descriptor(), &info, sizeof info);
  while (got < 0 && errno == EINTR);
  if (got != sizeof info)
    return {};
  const bool has_value = info.ssi_code == SI_QUEUE;
  return {static_cast<int>(info.ssi_signo), has_value ? info.ssi_int : 0};
}

void forbid_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

void complete_standard_descriptors() {
  // A new descriptor gets the lowest number that is free.
  int made = ::open("/dev/null", O_RDWR);
  while (made >= 0 && made <= STDERR_FILENO)
    made = ::open("/dev/null", O_RDWR);
  if (made >= 0)
    ::close(made);
}

namespace {

/// Those from `first` to before `end`.
void close_descriptors(unsigned first, unsigned end) {
  if (first >= end || ::syscall(SYS_close_range, first, end - 1, 0U) == 0)
    return;
  // Linux before 5.9
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  for (rlim_t fd = first; fd < std::min<rlim_t>(end, limit.rlim_cur); ++fd)
    ::close(static_cast<int>(fd));
}

} // namespace

void close_inherited_descriptors() {
  close_inherited_descriptors_but({});
}

void close_inherited_descriptors_but(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    close_descriptors(first, number);
    first = std::max(first, number + 1);
  }
  close_descriptors(first, std::numeric_limits<unsigned>::max());
}

void hold_hang_up() {
  sigset_t set{};
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

namespace {

std::atomic<bool> locked{false};

/// Only what is used: buffers and stacks that nobody touches cost nothing.
bool lock_memory() {
  return ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

} // namespace

void protect_memory() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  forbid_core_dumps();
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  rlimit allowed{};
  ::setrlimit(RLIMIT_MEMLOCK, &all);
  ::getrlimit(RLIMIT_MEMLOCK, &allowed);
  // With less, memory would seem to run out.
  if (allowed.rlim_cur != RLIM_INFINITY
      && (read_capabilities().effective & capability_bit(CAP_IPC_LOCK)) == 0)
    return;
  locked = lock_memory();
}

bool unlock_memory() {
  return locked.exchange(false) && ::munlockall() == 0;
}

bool memory_is_locked() {
  return locked;
}

void while_memory_is_unlocked(const std::function<void()>& action) {
  const bool again = locked;
  if (again)
    ::munlockall();
  action();
  if (again)
    locked = lock_memory();
}

namespace {

const char* failing_program = "";

/// Without allocating; `what` may be empty.
[[noreturn]] void end_with(std::string_view what) noexcept {
  const std::string_view program = failing_program;
  std::array<char, 512> line{};
  std::size_t length = 0;
  for (const auto& part :
       {program, std::string_view{": "}, what, std::string_view{"\n"}})
    length += part.copy(&line[length], line.size() - 1 - length);
  [[maybe_unused]] const auto written
    = ::write(STDERR_FILENO, line.data(), length);
  ::_exit(EXIT_FAILURE);
}

[[noreturn]] void out_of_memory() {
  end_with("out of memory");
}

[[noreturn]] void uncaught() {
  try {
    if (const auto current = std::current_exception())
      std::rethrow_exception(current);
  } catch (const std::bad_alloc&) {
    end_with("out of memory");
  } catch (const std::exception& error) {
    end_with(error.what());
  } catch (...) {
  }
  end_with("an unknown exception");
}

} // namespace

void tell_failures(const char* program) {
  failing_program = program;
  std::set_new_handler(out_of_memory);
  std::set_terminate(uncaught);
}

void tell_failures_no_longer() {
  std::set_new_handler(nullptr);
}

bool is_first_process() {
  return ::getpid() == 1;
}

bool is_service() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* const started = std::getenv("SYSTEMD_EXEC_PID");
  return service_manager_listens()
         || (started != nullptr && started == std::to_string(::getpid()));
}

void prepare_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  constexpr int most_usual = 511; // the table stays as large as it was once
  const file_descriptor any{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const file_descriptor last{::fcntl(any.get(), F_DUPFD_CLOEXEC, most_usual)};
}

result<void> check_descriptors(std::size_t count) {
  std::vector<file_descriptor> opened(count); // all of them at one time
  for (auto& each : opened) {
    each = file_descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    if (!each)
      return tl::unexpected(make_system_error(
        errno, "Cannot open a descriptor",
        "A limit on open files is reached (ulimit -n, LimitNOFILE= of the "
        "unit)"));
  }
  return {};
}

namespace {

/// What a shell would say of a child that ended.
int exit_code_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR)
      return EXIT_FAILURE;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The parent's part: until the child is ready, or has ended.
[[noreturn]] void await_readiness(int pipe, pid_t child) {
  char message = 0;
  ssize_t got = 0;
  do
    got = ::read(pipe, &message, 1);
  while (got < 0 && errno == EINTR);
  // _exit: buffers and handlers belong to the child now.
  ::_exit(got == 1 ? EXIT_SUCCESS : exit_code_of(child));
}

/// Whether output to `fd` keeps somebody waiting, or goes to a terminal.
bool holds_caller(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode);
}

} // namespace

result<background> background::enter() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot go to the background"));
  file_descriptor reading{ends[0]};
  background made;
  made.pipe_ = file_descriptor{ends[1]};
  const pid_t child = ::fork();
  if (child < 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot go to the background"));
  if (child > 0) {
    made.pipe_.reset();
    await_readiness(reading.get(), child);
  }
  return made;
}

void background::ready() {
  if (!pipe_)
    return;
  // Only now: until here a Ctrl-C in the terminal ends both.
  ::setsid();
  [[maybe_unused]] const auto moved = ::chdir("/");
  const file_descriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    // A log file stays; a pipe's reader would wait for us for ever.
    if (null && (standard == STDIN_FILENO || holds_caller(standard)))
      ::dup2(null.get(), standard);
  const char message = 1;
  ssize_t sent = 0;
  do
    sent = ::write(pipe_.get(), &message, 1);
  while (sent < 0 && errno == EINTR);
  pipe_.reset();
}

} // namespace weft
