#include "platform/files.hpp"

#include "platform/acting_user.hpp"
#include "platform/clock.hpp"
#include "platform/linux/file_writing.hpp"
#include "platform/linux/ownership.hpp"
#include "platform/random.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <tuple>

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t largest_file = 1 << 20;
constexpr auto lock_patience = 10s;
constexpr auto nobody_writes = "Nobody writes to this pipe";

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

system_error cannot(const char* verb, const std::string& path, int code,
                    std::string remedy = {}) {
  if (remedy.empty() && code == EACCES && ::geteuid() == 0)
    remedy = "Root lacks the right to other users' files here "
             "(CAP_DAC_OVERRIDE): make it, or its folder, root's (chown), or "
             "move it";
  else if (remedy.empty() && (code == EACCES || code == EPERM)
           && ::geteuid() != 0)
    remedy = "Run as its owner, or as root";
  return make_system_error(code, std::string("Cannot ") + verb + ' ' + path,
                           std::move(remedy));
}

std::optional<uid_t> other_owner;

bool is_ours(const struct stat& info) {
  return is_own(info) || info.st_uid == other_owner;
}

/// Whether everybody can put another file in the place of `path`.
bool is_replaceable(const std::filesystem::path& path) {
  const auto folder = path.parent_path();
  struct stat info {};
  return ::stat(folder.empty() ? "." : folder.c_str(), &info) == 0
         && (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0;
}

/// What keeps a file from holding a secret, or nothing.
std::optional<system_error>
objection_to_secret(const std::string& path, const struct stat& info) {
  if ((info.st_mode & 077U) != 0)
    return cannot("use", path, 0,
                  "Others than its owner have access to this secret; run: "
                  "chmod 600 "
                    + path);
  if (!is_ours(info))
    return cannot("use", path, 0,
                  "This secret belongs to another user, who can change it; "
                  "run: chown "
                    + std::to_string(::geteuid()) + ' ' + path);
  std::error_code failed;
  const auto real = std::filesystem::canonical(path, failed);
  if (is_replaceable(path) || (!failed && is_replaceable(real)))
    return cannot("use", path, 0,
                  "Everybody can put another file in the place of this secret: "
                  "move it to a folder of its owner's");
  return {};
}

/// What keeps the file from being loaded, or nothing.
std::optional<system_error>
objection(const std::string& path, const struct stat& info,
          file_privacy privacy) {
  if (!S_ISREG(info.st_mode))
    return cannot("read", path, 0, "It is no regular file");
  if (info.st_size > largest_file)
    return cannot("read", path, EFBIG, "At most 1 MiB is expected");
  if (privacy == file_privacy::owner_only)
    return objection_to_secret(path, info);
  return {};
}

/// A pipe that has a name may have nobody at its other end; others are a
/// program's, such as a shell's `<(...)`, which may take its time.
bool has_name(int pipe) {
  struct statfs system {};
  return ::fstatfs(pipe, &system) == 0 && system.f_type != PIPEFS_MAGIC;
}

/// Waits for somebody to write to a pipe; false: nobody did in time.
bool await_text(int fd, const struct stat& info, pipe_patience patience) {
  const bool is_pipe = S_ISFIFO(info.st_mode);
  if (is_pipe && !patience && has_name(fd))
    patience = short_patience;
  const int most
    = is_pipe && patience ? static_cast<int>(patience->count()) : -1;
  pollfd asked{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&asked, 1, most);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

/// A name beside `path` that nobody guesses.
std::string temporary_name(const std::string& path) {
  system_random random;
  const std::filesystem::path place{path};
  return (place.parent_path()
          / ("." + place.filename().string() + "."
             + std::to_string(random.next_u32()) + ".new"))
    .string();
}

/// The file that is locked in a folder, made if it is missing; or an invalid
/// descriptor, and errno.
file_descriptor open_lock(int folder) {
  constexpr int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  file_descriptor made{
    ::openat(folder, ".lock", flags | O_CREAT | O_EXCL, 0600)};
  if (!made) {
    const bool read_only = errno == EROFS; // also if the file is there
    if (read_only || errno == EEXIST)
      made = file_descriptor{::openat(folder, ".lock", flags)};
    if (!made && read_only)
      errno = EROFS;
    return made;
  }
  // Under sudo: its owner will come without it.  Only what was made here is
  // given away, whatever has that name.
  struct stat info {};
  if (::geteuid() == 0 && ::fstat(folder, &info) == 0 && info.st_uid != 0)
    std::ignore = ::fchown(made.get(), info.st_uid, info.st_gid);
  return made;
}

/// All that is left of a regular file, and to the disk.  False: errno says why
/// not.
bool copy_out(int from, int to) {
  constexpr std::size_t step = std::size_t{1} << 20;
  for (;;) {
    const auto moved = ::sendfile(to, from, nullptr, step);
    if (moved == 0)
      return ::fsync(to) == 0;
    if (moved < 0 && errno != EINTR)
      return false;
  }
}

} // namespace

bool write_out(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written >= 0)
      text.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR)
      return false;
  }
  return ::fsync(fd) == 0;
}

file_descriptor open_folder(const std::string& path) {
  return file_descriptor{::open(path.empty() ? "." : path.c_str(),
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
}

void trust_owner(uid_t owner) {
  other_owner = owner;
}

std::optional<file_identity> identify_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return {};
  return file_identity{info.st_dev, info.st_ino, info.st_size,
                       nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

bool can_open(const std::string& path) {
  return bool{file_descriptor{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)}};
}

result<secret_text> load_file(const std::string& path, file_privacy privacy) {
  // Not to wait for somebody to write to a pipe.
  const file_descriptor fd{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0)
    return tl::unexpected(cannot("read", path, errno));
  if (auto found = objection(path, info, privacy))
    return tl::unexpected(std::move(*found));
  secret_text text(static_cast<std::size_t>(info.st_size));
  std::size_t have = 0;
  while (have < text.room().size()) {
    const auto got
      = ::read(fd.get(), text.room().data() + have, text.room().size() - have);
    if (got == 0)
      break;
    if (got > 0)
      have += static_cast<std::size_t>(got);
    else if (errno != EINTR)
      return tl::unexpected(cannot("read", path, errno));
  }
  text.shorten(have);
  return text;
}

result<exposed_text> load_any_file(const std::string& path, std::size_t most,
                                   pipe_patience patience) {
  const file_descriptor fd{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0)
    return tl::unexpected(cannot("read", path, errno));
  if (S_ISDIR(info.st_mode))
    return tl::unexpected(cannot("read", path, EISDIR));
  const bool is_file = S_ISREG(info.st_mode);
  exposed_text found;
  if (is_file && is_writable_for_others(info))
    found.others = exposure::writable;
  else if (is_file && ((info.st_mode & 044U) != 0 || !is_ours(info)))
    found.others = exposure::readable;
  // One block for all of a file, so that no copy of a key stays behind.
  constexpr std::size_t first_block = 64U << 10;
  const auto size = static_cast<std::size_t>(info.st_size);
  found.text
    = secret_text(std::min(is_file && size > 0 ? size + 1 : first_block, most));
  if (S_ISFIFO(info.st_mode) && !await_text(fd.get(), info, patience))
    return tl::unexpected(cannot("read", path, ETIMEDOUT, nobody_writes));
  std::size_t have = 0;
  while (have < most) {
    if (have == found.text.room().size()) {
      secret_text larger(std::min(have * 2, most));
      std::copy_n(found.text.room().data(), have, larger.room().data());
      found.text = std::move(larger);
    }
    const auto room = found.text.room().subspan(have);
    const auto got = ::read(fd.get(), room.data(), room.size());
    if (got == 0)
      break;
    if (got > 0)
      have += static_cast<std::size_t>(got);
    else if (errno == EAGAIN && !await_text(fd.get(), info, patience))
      return tl::unexpected(cannot("read", path, ETIMEDOUT, nobody_writes));
    else if (errno != EINTR && errno != EAGAIN)
      return tl::unexpected(cannot("read", path, errno));
  }
  found.text.shorten(have);
  return found;
}

result<void>
replace_file(const std::string& path, std::string_view text, unsigned mode) {
  const auto temporary = temporary_name(path);
  const file_descriptor fd{
    ::open(temporary.c_str(),
           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
  if (!fd)
    return tl::unexpected(cannot("make", temporary, errno));
  if (!write_out(fd.get(), text)
      || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const auto code = errno;
    ::unlink(temporary.c_str());
    return tl::unexpected(cannot("write", path, code));
  }
  const auto folder
    = open_folder(std::filesystem::path{path}.parent_path().string());
  if (!folder || ::fsync(folder.get()) != 0)
    return tl::unexpected(cannot("write", path, errno));
  return {};
}

result<void>
copy_file(const std::string& from, const std::string& to, unsigned mode) {
  const file_descriptor source{::open(
    from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  struct stat info {};
  if (!source || ::fstat(source.get(), &info) != 0)
    return tl::unexpected(cannot("copy", from, errno));
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1)
    return tl::unexpected(cannot(
      "copy", from, 0, "It is not the regular file that should be there"));
  const auto temporary = temporary_name(to);
  const file_descriptor made{
    ::open(temporary.c_str(),
           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
  if (!made)
    return tl::unexpected(cannot("make", temporary, errno));
  const auto folder
    = open_folder(std::filesystem::path{to}.parent_path().string());
  if (!folder || !copy_out(source.get(), made.get())
      || ::rename(temporary.c_str(), to.c_str()) != 0
      || ::fsync(folder.get()) != 0) {
    const auto code = errno;
    ::unlink(temporary.c_str());
    return tl::unexpected(cannot("write", to, code));
  }
  return {};
}

result<void>
move_file(const std::string& from, const std::string& to, unsigned mode) {
  if (auto copied = copy_file(from, to, mode); !copied)
    return copied;
  return remove_theirs(from);
}

result<void> remove_theirs(const std::string& path) {
  const auto folder = std::filesystem::path{path}.parent_path().string();
  const auto owner = acting_user::owner_of(folder.empty() ? "." : folder);
  if (!owner)
    return tl::unexpected(owner.error());
  if (::unlink(path.c_str()) != 0)
    return tl::unexpected(cannot("remove", path, errno));
  return {};
}

result<void> make_private_folder(const std::string& path) {
  std::filesystem::path part;
  for (const auto& step : std::filesystem::path{path}) {
    part /= step;
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return tl::unexpected(cannot("make the folder", part.string(), errno));
  }
  return check_private_folder(path);
}

result<void> check_private_folder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return tl::unexpected(cannot("use", path, errno));
  if (!S_ISDIR(info.st_mode))
    return tl::unexpected(cannot("use", path, ENOTDIR));
  if (is_writable_for_others(info))
    return tl::unexpected(
      cannot("use", path, 0,
             "Others can put files of theirs into this folder; run: "
             "chmod 700 "
               + path));
  if (!is_ours(info))
    return tl::unexpected(
      cannot("use", path, 0,
             "This folder belongs to another user, who can change all that is "
             "in it"));
  return {};
}

result<file_descriptor> lock_folder(const std::string& folder) {
  auto at = open_folder(folder);
  if (!at)
    return tl::unexpected(cannot("use the folder", folder, errno));
  // Whoever may look into the folder could lock the folder itself.
  auto fd = open_lock(at.get());
  if (!fd && errno == EROFS)
    return at; // nobody changes anything there
  if (!fd) {
    const auto code = errno;
    std::string remedy;
    if (code == EACCES && ::faccessat(at.get(), ".lock", F_OK, 0) == 0)
      remedy
        = "A program of another user's left " + folder + "/.lock: remove it";
    return tl::unexpected(cannot("lock", folder, code, std::move(remedy)));
  }
  const auto deadline = boot_now() + lock_patience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR && errno != EWOULDBLOCK)
      return tl::unexpected(cannot("lock", folder, errno));
    if (boot_now() >= deadline)
      return tl::unexpected(cannot("lock", folder, ETIMEDOUT,
                                   "Another program works in it and does not "
                                   "come to an end"));
    std::this_thread::sleep_for(10ms);
  }
  return fd;
}

} // namespace weft
