// The new text goes to a file beside the old one, with the name `.NAME.saving`:
// what a kill leaves there, the next saver takes away.
#include "platform/saved_file.hpp"

#include "platform/clock.hpp"
#include "platform/linux/file_writing.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <tuple>
#include <vector>

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 10s;

/// What stands in the way, with the remedy for what people meet.
tl::unexpected<system_error> cannot_save(const std::string& path, int code) {
  std::string remedy;
  if (code == EBUSY)
    remedy = "Something is mounted on the file itself (a bind mount, as of a "
             "container), so it cannot be replaced: save it where it is "
             "mounted from, or mount its folder instead";
  else if (code == EROFS)
    remedy = "Its file system is read-only: save it where it is mounted from";
  else if (code == EACCES || code == EPERM)
    remedy = ::geteuid() == 0
               ? "Is it, or its folder, immutable (lsattr), or another "
                 "user's?"
               : "Run as the owner of the file and of its folder, or as root";
  return tl::unexpected(
    make_system_error(code, "Cannot save " + path, std::move(remedy)));
}

tl::unexpected<system_error> changed_meanwhile(const std::string& path) {
  return tl::unexpected(
    make_system_error(0, "Cannot save " + path,
                      "Somebody else has changed it meanwhile; try again"));
}

file_descriptor open_folder_of(const std::string& path) {
  return open_folder(std::filesystem::path{path}.parent_path().string());
}

/// Access lists and labels are among them.
bool copy_attributes(int from, int to) {
  const auto size = ::flistxattr(from, nullptr, 0);
  if (size <= 0)
    return size == 0 || errno == ENOTSUP;
  std::vector<char> names(static_cast<std::size_t>(size));
  const auto got = ::flistxattr(from, names.data(), names.size());
  if (got < 0)
    return false;
  for (const char* name = names.data(); name < names.data() + got;
       name += std::string_view{name}.size() + 1) {
    const auto length = ::fgetxattr(from, name, nullptr, 0);
    if (length < 0)
      return false;
    std::vector<char> value(static_cast<std::size_t>(length));
    const auto read = ::fgetxattr(from, name, value.data(), value.size());
    if (read < 0
        || ::fsetxattr(to, name, value.data(), static_cast<std::size_t>(read),
                       0)
             != 0)
      return false;
  }
  return true;
}

/// Owner before mode: chown() clears bits of it.
bool copy_guards(int from, int to) {
  struct stat info {};
  struct stat made {}; // in some folders new files have the folder's group
  if (::fstat(from, &info) != 0 || ::fstat(to, &made) != 0)
    return false;
  const bool is_owners
    = info.st_uid == made.st_uid && info.st_gid == made.st_gid;
  return (is_owners || ::fchown(to, info.st_uid, info.st_gid) == 0)
         && copy_attributes(from, to)
         && ::fchmod(to, info.st_mode & 07777U) == 0;
}

} // namespace

result<saved_file> saved_file::open(const std::string& path) {
  std::error_code failed;
  saved_file file;
  file.path_ = std::filesystem::canonical(path, failed).string();
  if (failed)
    return cannot_save(path, failed.value());
  const auto deadline = boot_now() + patience;
  for (;;) {
    file.fd_ = file_descriptor{
      ::open(file.path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    struct stat info {};
    if (!file.fd_ || ::fstat(file.fd_.get(), &info) != 0)
      return cannot_save(path, errno);
    if (!S_ISREG(info.st_mode))
      return tl::unexpected(
        make_system_error(0, "Cannot save " + path, "It is no regular file"));
    const bool locked = ::flock(file.fd_.get(), LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK && errno != EINTR)
      return cannot_save(path, errno);
    // Whoever held it may have put another file there.
    const auto there = identify_file(file.path_);
    if (locked && there && there->device == info.st_dev
        && there->inode == info.st_ino) {
      file.seen_ = *there;
      return file;
    }
    if (boot_now() >= deadline)
      return tl::unexpected(
        make_system_error(ETIMEDOUT, "Cannot save " + path,
                          "Another program holds it and does not come to an "
                          "end"));
    std::this_thread::sleep_for(10ms);
  }
}

result<bool> saved_file::replace(std::string_view text) {
  const std::filesystem::path place{path_};
  const auto folder = open_folder_of(path_);
  if (!folder)
    return cannot_save(path_, errno);
  const auto temporary
    = (place.parent_path() / ("." + place.filename().string() + ".saving"))
        .string();
  std::ignore = ::unlink(temporary.c_str());
  const file_descriptor made{
    ::open(temporary.c_str(),
           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!made)
    return cannot_save(path_, errno);
  const auto give_up = [&](auto&& failure) {
    ::unlink(temporary.c_str());
    return result<bool>{std::forward<decltype(failure)>(failure)};
  };
  if (!copy_guards(fd_.get(), made.get()) || !write_out(made.get(), text))
    return give_up(cannot_save(path_, errno));
  if (identify_file(path_) != seen_)
    return give_up(changed_meanwhile(path_));
  if (::rename(temporary.c_str(), path_.c_str()) != 0)
    return give_up(cannot_save(path_, errno));
  return ::fsync(folder.get()) == 0;
}

result<void> make_secret_file(const std::string& path, std::string_view text) {
  const file_descriptor made{::open(
    path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!made)
    return cannot_save(path, errno);
  const auto folder = open_folder_of(path);
  if (!folder || !write_out(made.get(), text) || ::fsync(folder.get()) != 0) {
    const auto code = errno;
    ::unlink(path.c_str());
    return cannot_save(path, code);
  }
  return {};
}

} // namespace weft
