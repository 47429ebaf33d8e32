#include "platform/command.hpp"

#include "platform/clock.hpp"
#include "platform/file_descriptor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

namespace weft {

namespace {

constexpr std::array search_path{"/usr/local/sbin", "/usr/local/bin",
                                 "/usr/sbin",       "/usr/bin",
                                 "/sbin",           "/bin"};

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos)
    return name;
  for (const auto* folder : search_path)
    if (auto path = std::string{folder} + '/' + name;
        ::access(path.c_str(), X_OK) == 0)
      return path;
  return name;
}

/// As execve(2) takes them; they live as long as `words`.
std::vector<char*> as_vector(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (auto& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Which descriptors the program has.
class descriptors {
public:
  descriptors(int output, bool with_errors) {
    ::posix_spawn_file_actions_init(&actions_);
    open_null(STDIN_FILENO, O_RDONLY);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    if (with_errors)
      ::posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    else
      open_null(STDERR_FILENO, O_WRONLY);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
  }
  descriptors(const descriptors&) = delete;
  descriptors& operator=(const descriptors&) = delete;
  ~descriptors() {
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  const posix_spawn_file_actions_t* get() const {
    return &actions_;
  }

private:
  void open_null(int as, int flags) {
    ::posix_spawn_file_actions_addopen(&actions_, as, "/dev/null", flags, 0);
  }
  posix_spawn_file_actions_t actions_{};
};

/// Signals as a program expects them, and a process group.
class attributes {
public:
  attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t all;
    ::sigfillset(&all);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK
                                               | POSIX_SPAWN_SETSIGDEF
                                               | POSIX_SPAWN_SETPGROUP);
  }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;
  ~attributes() {
    ::posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawnattr_t* get() const {
    return &attributes_;
  }

private:
  posix_spawnattr_t attributes_{};
};

/// Can be read once the process has ended.  (glibc 2.36 declares the function
/// for C alone.)
int open_process(pid_t process) {
  return static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
}

/// A program that was started.
class running_program {
public:
  running_program(pid_t process, file_descriptor output, std::size_t most)
    : process_(process), ends_(open_process(process)),
      output_(std::move(output)), most_(most) {
  }

  command_outcome wait_for_end(time_point deadline) {
    command_outcome outcome;
    outcome.timed_out = !ends_by(deadline);
    if (outcome.timed_out)
      ::kill(-process_, SIGKILL);
    outcome.exit_code = collect();
    read_output();
    outcome.output = std::move(text_);
    return outcome;
  }

private:
  /// Takes the output meanwhile.
  bool ends_by(time_point deadline) {
    for (;;) {
      const auto left
        = std::chrono::ceil<std::chrono::milliseconds>(deadline - boot_now());
      if (left.count() <= 0)
        return false;
      std::array<pollfd, 2> watched{pollfd{ends_.get(), POLLIN, 0},
                                    pollfd{output_.get(), POLLIN, 0}};
      ::poll(watched.data(), watched.size(), static_cast<int>(left.count()));
      if (watched[0].revents != 0)
        return true;
      if (watched[1].revents != 0)
        read_output();
    }
  }

  /// What is there by now.
  void read_output() {
    std::array<char, 4096> part{};
    while (output_) {
      const auto got = ::read(output_.get(), part.data(), part.size());
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0 && errno == EAGAIN)
        return;
      if (got <= 0)
        output_.reset();
      else
        text_.append(part.data(), std::min(static_cast<std::size_t>(got),
                                           most_ - text_.size()));
    }
  }

  int collect() const {
    constexpr int unknown = 255; // our own caller ignores its children's ends
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0)
      if (errno != EINTR)
        return unknown;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  pid_t process_;
  file_descriptor ends_;
  file_descriptor output_;
  std::size_t most_;
  std::string text_;
};

} // namespace

result<command_outcome> run_command(const command& what) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return tl::unexpected(make_system_error(errno, "pipe"));
  file_descriptor output{ends[0]};
  file_descriptor input{ends[1]};
  // It is the program's: there it has to block.
  ::fcntl(input.get(), F_SETFL, 0);

  auto words = what.words;
  auto environment = what.environment;
  const auto program = find_program(words.front());
  const auto deadline = boot_now() + what.limit;
  const descriptors of_program{input.get(), what.with_errors};
  const attributes as_program;
  pid_t process = -1;
  if (const int error = ::posix_spawn(
        &process, program.c_str(), of_program.get(), as_program.get(),
        as_vector(words).data(), as_vector(environment).data());
      error != 0)
    return tl::unexpected(make_system_error(error, "cannot run " + program));
  input.reset();
  return running_program{process, std::move(output), what.most_output}
    .wait_for_end(deadline);
}

} // namespace weft
