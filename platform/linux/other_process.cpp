#include "platform/other_process.hpp"

#include "platform/linux/spawn.hpp"
#include "platform/stream.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace weft {

namespace {

result<std::string> read_link(const std::string& path) {
  std::error_code failed;
  auto to = std::filesystem::read_symlink(path, failed).string();
  if (failed)
    return tl::unexpected(
      make_system_error(failed.value(), "Cannot read " + path));
  return to;
}

} // namespace

result<other_process> other_process::find(int number) {
  // Not in every C library that the packages are built with.
  file_descriptor handle{
    static_cast<int>(::syscall(SYS_pidfd_open, number, 0))};
  if (!handle)
    return tl::unexpected(make_system_error(errno, "Cannot find process "
                                                     + std::to_string(number)));
  return other_process{number, std::move(handle)};
}

result<other_process> other_process::self() {
  return find(::getpid());
}

result<void> other_process::send_signal(int signal, int value) const {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_int = value;
  if (::syscall(SYS_pidfd_send_signal, handle_.get(), signal, &info, 0) != 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot send a signal to process " + std::to_string(number_)));
  return {};
}

bool other_process::ends_by(time_point until) const {
  return wait_readable(handle_.get(), until);
}

std::string other_process::path(const char* file) const {
  return "/proc/" + std::to_string(number_) + '/' + file;
}

result<std::string> other_process::program() const {
  auto read = read_link(path("exe"));
  // What was replaced since, as a package does.
  constexpr std::string_view gone = " (deleted)";
  if (read && read->ends_with(gone))
    read->resize(read->size() - gone.size());
  return read;
}

result<std::string> other_process::folder() const {
  return read_link(path("cwd"));
}

result<std::vector<std::string>> other_process::words() const {
  return list("cmdline");
}

result<std::vector<std::string>> other_process::environment() const {
  return list("environ");
}

result<std::vector<std::string>> other_process::list(const char* file) const {
  const auto name = path(file);
  std::ifstream in{name, std::ios::binary};
  std::vector<std::string> all;
  for (std::string each; std::getline(in, each, '\0');)
    all.push_back(each);
  if (!in.is_open() || in.bad())
    return tl::unexpected(make_system_error(errno, "Cannot read " + name));
  return all;
}

result<bool> other_process::is_beside(const std::string& file) const {
  for (const auto* kind : {"ns/pid", "ns/net"}) {
    const auto own = read_link(std::string{"/proc/self/"} + kind);
    const auto other = read_link(path(kind));
    if (!own || !other)
      return tl::unexpected(own ? other.error() : own.error());
    if (*own != *other)
      return false;
  }
  std::error_code failed;
  return std::filesystem::equivalent(path("root") + file, file, failed);
}

std::string other_process::service() const {
  std::ifstream in{path("cgroup")};
  for (std::string line; std::getline(in, line);) {
    // Systemd's own hierarchy, or the only one.
    if (line.find(":name=systemd:") == line.npos && !line.starts_with("0::"))
      continue;
    auto last = line.substr(line.rfind('/') + 1);
    if (last.ends_with(".service"))
      return last;
  }
  return {};
}

result<int>
other_process::start_beside(const std::vector<std::string>& words,
                            const std::vector<std::string>& environment) const {
  const auto where = folder();
  if (!where)
    return tl::unexpected(where.error());
  std::vector<file_descriptor> standard;
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    file_descriptor mine{
      static_cast<int>(::syscall(SYS_pidfd_getfd, handle_.get(), number, 0))};
    if (!mine)
      return tl::unexpected(make_system_error(
        errno, "Cannot go on with the standard descriptors of process "
                 + std::to_string(number_)));
    standard.push_back(std::move(mine));
  }
  return spawn_program(words, environment, *where,
                       {standard[0].get(), standard[1].get(),
                        standard[2].get()});
}

result<other_process>
other_process::start_sibling(const std::vector<std::string>& words,
                             const std::string& variable) {
  auto started = spawn_sibling(words, variable);
  if (!started)
    return tl::unexpected(started.error());
  return other_process{started->number, std::move(started->handle)};
}

std::optional<std::string> end_of_child(int child) {
  int status = 0;
  if (::waitpid(child, &status, WNOHANG) != child)
    return std::nullopt;
  return describe_end(status);
}

} // namespace weft
