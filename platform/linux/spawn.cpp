#include "platform/linux/spawn.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace weft {

namespace {

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
  static std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const auto& text : texts)
      pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

} // namespace

result<int>
spawn_program(const std::vector<std::string>& words,
              const std::vector<std::string>& environment,
              const std::string& folder, const standard_descriptors& standard) {
  return spawn_plan{folder, standard}.spawn(words, environment);
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status))
    return "was ended by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0
           ? "has ended"
           : "failed with exit code " + std::to_string(WEXITSTATUS(status));
}

} // namespace weft
