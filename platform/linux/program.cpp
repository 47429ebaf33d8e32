#include "platform/program.hpp"

#include "platform/linux/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
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

std::string seconds_of(std::chrono::milliseconds time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

result<void> run(const program_call& call, int output) {
  if (call.input.size() > most_program_input)
    return tl::unexpected(system_error{
      E2BIG, call.words.front() + " is not run: it would get "
               + std::to_string(call.input.size()) + " bytes to read, and "
               + std::to_string(most_program_input) + " at most are possible"});
  const auto input = pipe_with(call.input);
  if (!input)
    return tl::unexpected(input.error());
  const auto child = spawn_program(call.words, call.environment, "/",
                                   {input->get(), output, STDERR_FILENO});
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

} // namespace

result<void> run_program(const program_call& call) {
  return run(call, STDERR_FILENO);
}

result<std::string> read_program(const program_call& call) {
  constexpr std::size_t most = 1 << 20;
  const file_descriptor output{::memfd_create("weft-output", MFD_CLOEXEC)};
  if (!output)
    return tl::unexpected(
      make_system_error(errno, "Cannot run " + call.words.front()));
  if (const auto done = run(call, output.get()); !done)
    return tl::unexpected(done.error());
  std::string text(most + 1, '\0');
  const auto size = ::pread(output.get(), text.data(), text.size(), 0);
  if (size < 0 || static_cast<std::size_t>(size) > most)
    return tl::unexpected(
      make_system_error(size < 0 ? errno : EMSGSIZE,
                        "Cannot read what " + call.words.front() + " says"));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

result<companion> start_companion(const std::vector<std::string>& words) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot start " + words.front()));
  file_descriptor ours{ends[0]};
  const file_descriptor theirs{ends[1]};
  const auto child = spawn_program(
    words, {}, "/", {theirs.get(), STDERR_FILENO, STDERR_FILENO});
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
