#include "platform/linux/socket_folder.hpp"

#include "platform/clock.hpp"
#include "platform/linux/ownership.hpp"
#include "platform/random.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string_view>
#include <thread>

namespace weft::socket_folder {

namespace {

using namespace std::chrono_literals;

constexpr const char* lock_name = ".weft-lock";
constexpr std::string_view temporary_prefix = ".weft-s";

/// After so long nobody is between making a socket and naming it.
constexpr std::time_t abandoned_after = 10;

system_error
failure(int code, const std::string& path, std::string remedy = {}) {
  return make_system_error(code, "Cannot listen on the socket " + path,
                           std::move(remedy));
}

/// The folder `step` within `parent`, made if missing.
file_descriptor enter(int parent, const char* step) {
  file_descriptor found{
    ::openat(parent, step, O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (found || errno != ENOENT)
    return found;
  if (::mkdirat(parent, step, 0755) == 0) {
    file_descriptor made{
      ::openat(parent, step, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    // The umask has taken from the mode.
    if (made && ::fchmod(made.get(), 0755) != 0)
      made.reset();
    return made;
  }
  if (errno != EEXIST) // somebody else was faster
    return {};
  return file_descriptor{
    ::openat(parent, step, O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

/// Whether nobody serves the socket at `address`.
bool is_dead(const sockaddr_un& address) {
  // Not to wait where somebody listens but does not accept: a full queue is
  // EAGAIN.
  const file_descriptor probe{
    ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  return ::connect(probe.get(), generic(address), sizeof address) != 0
         && errno == ECONNREFUSED;
}

/// Whether `name` in the folder still is the open file.
bool names_file(int folder, const char* name, int file) {
  struct stat named {};
  struct stat opened {};
  return ::fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0
         && ::fstat(file, &opened) == 0 && named.st_dev == opened.st_dev
         && named.st_ino == opened.st_ino;
}

} // namespace

result<sockaddr_un> to_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return tl::unexpected(
      make_system_error(ENAMETOOLONG, "Cannot use '" + path + "' as a socket",
                        "The path of a socket has 1 to 107 characters"));
  path.copy(&address.sun_path[0], path.size());
  return address;
}

result<file_descriptor> open(const std::string& folder) {
  const std::filesystem::path steps{folder};
  file_descriptor at{
    ::open(steps.is_absolute() ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  std::filesystem::path part;
  for (const auto& step : steps) {
    part /= step;
    if (step.empty() || step == "/")
      continue;
    at = enter(at.get(), step.c_str());
    if (!at)
      return tl::unexpected(
        make_system_error(errno, "Cannot open the folder " + part.string()));
  }
  at = file_descriptor{
    ::openat(at.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  struct stat info {};
  const auto what = "Cannot use the folder " + folder + " for sockets";
  if (!at || ::fstat(at.get(), &info) != 0)
    return tl::unexpected(make_system_error(errno, what));
  if (!is_own(info))
    return tl::unexpected(
      make_system_error(0, what,
                        "It belongs to user " + std::to_string(info.st_uid)
                          + ": choose one that is yours or root's"));
  if (is_writable_for_others(info))
    return tl::unexpected(make_system_error(
      0, what, "Others may write to it; run: chmod go-w " + folder));
  return at;
}

result<lock> lock::take(int folder, const std::string& path,
                        std::chrono::milliseconds patience) {
  const auto deadline = boot_now() + patience;
  for (;;) {
    file_descriptor file{
      ::openat(folder, lock_name,
               O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600)};
    if (file) {
      ::fchmod(file.get(), 0600); // the umask may have taken the owner's part
      if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
        if (names_file(folder, lock_name, file.get()))
          return lock{folder, std::move(file)};
        continue; // whoever had it has removed it
      }
    }
    // EACCES: made, but not yet given its mode.
    if (errno != EWOULDBLOCK && errno != EINTR && errno != EACCES)
      return tl::unexpected(failure(errno, path));
    if (boot_now() >= deadline)
      return tl::unexpected(failure(
        ETIMEDOUT, path,
        "Another program that starts there does not go on: stop that one"));
    std::this_thread::sleep_for(5ms);
  }
}

lock::~lock() {
  if (file_)
    ::unlinkat(folder_, lock_name, 0);
}

std::string temporary_name() {
  constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";
  system_random random;
  std::string name{temporary_prefix};
  auto bits = random.next_u32();
  for (int i = 0; i < 6; ++i, bits /= 32)
    name += digits[bits % 32];
  return name;
}

void clear_abandoned(int folder, const std::string& path) {
  const auto again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries{::fdopendir(again),
                                                    &::closedir};
  if (!entries)
    return;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own
  while (const auto* entry = ::readdir(entries.get())) {
    const std::string name{&entry->d_name[0]};
    struct stat info {};
    if (!name.starts_with(temporary_prefix)
        || ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0
        || !S_ISSOCK(info.st_mode)
        || std::time(nullptr) - info.st_mtime < abandoned_after)
      continue;
    const auto address
      = to_address(std::filesystem::path{path}.replace_filename(name));
    if (address && is_dead(*address))
      ::unlinkat(folder, name.c_str(), 0);
  }
}

result<void>
clear_place(int folder, const std::string& name, const std::string& path) {
  struct stat info {};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT)
      return {};
    return tl::unexpected(failure(errno, path));
  }
  if (!S_ISSOCK(info.st_mode))
    return tl::unexpected(
      failure(EEXIST, path,
              "It is no socket: remove it, or choose another "
              "path"));
  const auto address = to_address(path);
  if (!address)
    return tl::unexpected(address.error());
  // A monitor may remove a dead one at the same time.
  if (!is_dead(*address)
      && ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
    return tl::unexpected(failure(EADDRINUSE, path,
                                  "Another program serves it: stop that one "
                                  "first"));
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT)
    return tl::unexpected(failure(errno, path));
  return {};
}

} // namespace weft::socket_folder
