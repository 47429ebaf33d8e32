#include "platform/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

namespace weft {

namespace {

/// What posix_spawn() is told: a session, a folder and descriptors of its own,
/// and signals as they are in a new process.
class spawn_plan {
public:
  /// `input` becomes the program's standard input.
  explicit spawn_plan(int input) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
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

  result<pid_t> spawn(const std::vector<std::string>& words,
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

/// A pipe's end to read from, with `text` in it and nothing to follow.
result<file_descriptor> pipe_with(const std::string& text) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return tl::unexpected(make_system_error(errno, "Cannot make a pipe"));
  file_descriptor reading{ends[0]};
  const file_descriptor writing{ends[1]};
  if (::write(writing.get(), text.data(), text.size())
      != static_cast<ssize_t>(text.size()))
    return tl::unexpected(make_system_error(errno, "Cannot fill a pipe"));
  return reading;
}

/// Whether it ends within the time.  One that cannot be watched does not.
bool ends_within(pid_t child, std::chrono::milliseconds patience) {
  const file_descriptor process{
    static_cast<int>(::syscall(SYS_pidfd_open, child, 0))};
  pollfd asked{process.get(), POLLIN, 0};
  int ready = 0;
  do
    ready = process ? ::poll(&asked, 1, static_cast<int>(patience.count())) : 0;
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status))
    return "was ended by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0
           ? "has ended"
           : "failed with exit code " + std::to_string(WEXITSTATUS(status));
}

std::string seconds_of(std::chrono::milliseconds time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

} // namespace

result<void> run_program(const program_call& call) {
  if (call.input.size() > most_program_input)
    return tl::unexpected(system_error{
      E2BIG, call.words.front() + " is not run: it would get "
               + std::to_string(call.input.size()) + " bytes to read, and "
               + std::to_string(most_program_input) + " at most are possible"});
  const auto input = pipe_with(call.input);
  if (!input)
    return tl::unexpected(input.error());
  const auto child
    = spawn_plan{input->get()}.spawn(call.words, call.environment);
  if (!child)
    return tl::unexpected(child.error());
  const bool in_time = ends_within(*child, call.patience);
  if (!in_time)
    ::kill(-*child, SIGKILL);
  const int status = wait_for(*child);
  const auto& program = call.words.front();
  if (!in_time)
    return tl::unexpected(system_error{
      ETIMEDOUT, program + " did not end within " + seconds_of(call.patience)
                   + ", and was killed"});
  if (status != 0)
    return tl::unexpected(
      system_error{0, program + ' ' + describe_end(status)});
  return {};
}

result<companion> start_companion(const std::vector<std::string>& words) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot start " + words.front()));
  file_descriptor ours{ends[0]};
  const file_descriptor theirs{ends[1]};
  const auto child = spawn_plan{theirs.get()}.spawn(words, {});
  if (!child)
    return tl::unexpected(child.error());
  return companion{std::move(ours), *child};
}

std::string await_end(const companion& ended) {
  return describe_end(wait_for(ended.process));
}

int parent_process() {
  return ::getppid();
}

void await_end_of_parent(int parent, std::chrono::milliseconds patience) {
  if (::getppid() == parent)
    ends_within(parent, patience);
}

std::string find_companion(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const auto folder = fs::read_symlink("/proc/self/exe", failed).parent_path();
  if (failed)
    return {};
  for (const auto& place : {folder / name, folder.parent_path() / "bin" / name})
    if (::access(place.c_str(), X_OK) == 0)
      return place.string();
  return {};
}

} // namespace weft
