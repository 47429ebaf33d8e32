#include "platform/files.hpp"

#include "protocol/random.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace weft {

namespace {

constexpr std::int64_t largest_file = 1 << 20;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

system_error cannot(const char* verb, const std::string& path, int code,
                    std::string remedy = {}) {
  if (remedy.empty() && (code == EACCES || code == EPERM))
    remedy = "Run as its owner, or as root";
  return make_system_error(code, std::string("Cannot ") + verb + ' ' + path,
                           std::move(remedy));
}

/// What keeps the file from being loaded, or nothing.
std::optional<system_error>
objection(const std::string& path, const struct stat& info,
          file_privacy privacy) {
  if (!S_ISREG(info.st_mode))
    return cannot("read", path, 0, "It is no regular file");
  if (info.st_size > largest_file)
    return cannot("read", path, EFBIG, "At most 1 MiB is expected");
  if (privacy == file_privacy::owner_only && (info.st_mode & 077U) != 0)
    return cannot("use", path, 0,
                  "Others than its owner have access to this secret; run: "
                  "chmod 600 "
                    + path);
  return {};
}

/// Writes all of it, and to the disk.
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

/// A name beside `path` that nobody guesses.
std::string temporary_name(const std::string& path) {
  system_random random;
  const std::filesystem::path place{path};
  return (place.parent_path()
          / ("." + place.filename().string() + "."
             + std::to_string(random.next_u32()) + ".new"))
    .string();
}

file_descriptor open_folder(const std::string& path) {
  return file_descriptor{::open(path.empty() ? "." : path.c_str(),
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
}

} // namespace

std::optional<file_identity> identify_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return {};
  return file_identity{info.st_dev, info.st_ino, info.st_size,
                       nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
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

result<void> make_private_folder(const std::string& path) {
  std::filesystem::path part;
  for (const auto& step : std::filesystem::path{path}) {
    part /= step;
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return tl::unexpected(cannot("make the folder", part.string(), errno));
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return tl::unexpected(cannot("use", path, errno));
  if (!S_ISDIR(info.st_mode))
    return tl::unexpected(cannot("use", path, ENOTDIR));
  if ((info.st_mode & 022U) != 0)
    return tl::unexpected(
      cannot("use", path, 0,
             "Others can put files of theirs into this folder; run: "
             "chmod 700 "
               + path));
  return {};
}

result<file_descriptor> lock_folder(const std::string& folder) {
  auto fd = open_folder(folder);
  if (!fd)
    return tl::unexpected(cannot("use the folder", folder, errno));
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR)
      return tl::unexpected(cannot("lock", folder, errno));
  }
  return fd;
}

} // namespace weft
