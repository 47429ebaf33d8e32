#include "platform/linux/spawn.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <string_view>

namespace weft {

namespace {

/// As execve(2) wants them: while the texts live.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const auto& text : texts)
    pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// What posix_spawn() is told.
class spawn_plan {
public:
  spawn_plan(const std::string& folder, const standard_descriptors& standard) {
    ::posix_spawn_file_actions_init(&actions_);
    // Error last: the others may be a copy of ours.
    int number = STDIN_FILENO;
    for (const int each : standard)
      ::posix_spawn_file_actions_adddup2(&actions_, each, number++);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    ::posix_spawnattr_init(&attributes_);
    sigset_t signals{};
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID
                                               | POSIX_SPAWN_SETSIGMASK
                                               | POSIX_SPAWN_SETSIGDEF);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;
  ~spawn_plan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  result<int> spawn(const std::vector<std::string>& words,
                    const std::vector<std::string>& environment) const {
    pid_t child = 0;
    const int code = ::posix_spawn(&child, words.front().c_str(), &actions_,
                                   &attributes_, pointers_to(words).data(),
                                   pointers_to(environment).data());
    if (code != 0)
      return tl::unexpected(
        make_system_error(code, "Cannot run " + words.front()));
    return child;
  }

private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// This process's, as execve(2) wants it, with `variable` in the place of what
/// has its name.
std::vector<char*> environment_with(const std::string& variable) {
  const auto name
    = std::string_view{variable}.substr(0, variable.find('=') + 1);
  std::vector<char*> all{const_cast<char*>(variable.c_str())};
  for (char** each = environ; *each != nullptr; ++each)
    if (!std::string_view{*each}.starts_with(name))
      all.push_back(*each);
  all.push_back(nullptr);
  return all;
}

/// What the sibling is to become.
struct sibling_plan {
  std::vector<char*> words;
  std::vector<char*> environment;
  int failure = 0; ///< errno of execve(2)
};

/// The sibling's whole life in this program.  It has this process's memory, and
/// this process waits until it has gone (CLONE_VM, CLONE_VFORK).
int become(void* given) {
  auto& plan = *static_cast<sibling_plan*>(given);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal)
    ::sigaction(signal, &usual, nullptr); // a new program inherits SIG_IGN
  sigset_t none{};
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
  ::execve(plan.words.front(), plan.words.data(), plan.environment.data());
  plan.failure = errno;
  ::_exit(127);
}

/// No signal is handled meanwhile: a handler would run in the sibling, in this
/// process's memory.
class without_signals {
public:
  without_signals() {
    sigset_t all{};
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former_);
  }
  without_signals(const without_signals&) = delete;
  without_signals& operator=(const without_signals&) = delete;
  ~without_signals() {
    ::pthread_sigmask(SIG_SETMASK, &former_, nullptr);
  }

private:
  sigset_t former_{};
};

} // namespace

result<int>
spawn_program(const std::vector<std::string>& words,
              const std::vector<std::string>& environment,
              const std::string& folder, const standard_descriptors& standard) {
  return spawn_plan{folder, standard}.spawn(words, environment);
}

result<started_program> spawn_sibling(const std::vector<std::string>& words,
                                      const std::string& variable) {
  constexpr std::size_t stack_size = std::size_t{64} << 10;
  std::vector<std::max_align_t> stack(stack_size / sizeof(std::max_align_t));
  sibling_plan plan{pointers_to(words), environment_with(variable)};
  const without_signals quiet;
  int handle = -1;
  const int number
    = ::clone(become, stack.data() + stack.size(),
              CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD, &plan,
              &handle);
  const int code = number < 0 ? errno : plan.failure;
  started_program started{number, file_descriptor{handle}};
  if (code != 0)
    return tl::unexpected(
      make_system_error(code, "Cannot run " + words.front()));
  return started;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status))
    return "was ended by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0
           ? "has ended"
           : "failed with exit code " + std::to_string(WEXITSTATUS(status));
}

} // namespace weft
