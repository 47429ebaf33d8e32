#include "platform/new_folder.hpp"

#include "platform/files.hpp"
#include "platform/linux/file_writing.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

namespace weft {

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

tl::unexpected<system_error>
cannot(const std::string& what, int code, std::string remedy = {}) {
  return tl::unexpected(
    make_system_error(code, "Cannot " + what, std::move(remedy)));
}

/// To whom the folder around it belongs, if this process may; by descriptors,
/// as that one may have put something else under its name.
bool give_away(int made, int around) {
  struct stat info {};
  return ::fstat(around, &info) == 0
         && (::geteuid() != 0 || info.st_uid == 0
             || ::fchown(made, info.st_uid, info.st_gid) == 0);
}

/// The files of a folder that has no folders in it.
std::vector<std::string> files_in(int folder) {
  std::vector<std::string> names;
  file_descriptor copy{::openat(folder, ".", folder_flags)};
  struct closer {
    void operator()(DIR* all) const {
      ::closedir(all);
    }
  };
  const std::unique_ptr<DIR, closer> all{::fdopendir(copy.get())};
  if (!all)
    return names;
  copy.release(); // the list's now
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this list
  while (const auto* each = ::readdir(all.get())) {
    const std::string name = each->d_name; // NOLINT
    if (name != "." && name != "..")
      names.push_back(name);
  }
  return names;
}

} // namespace

result<new_folder> new_folder::begin(const std::string& path) {
  const auto whole = std::filesystem::path{path}.lexically_normal();
  const auto where = whole.has_filename() ? whole : whole.parent_path();
  const auto parent
    = where.has_parent_path() ? where.parent_path().string() : ".";
  if (auto made = make_private_folder(parent); !made) {
    // Whoever owns it may have it for others, whose root makes folders there.
    struct stat info {};
    if (::stat(parent.c_str(), &info) != 0 || ::geteuid() != 0
        || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
      return tl::unexpected(made.error());
  }
  new_folder made;
  made.path_ = where.string();
  made.name_ = where.filename().string();
  made.around_ = file_descriptor{
    ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!made.around_)
    return cannot("open " + parent, errno);
  const auto partial = made.name_ + ".partial";
  made.folder_ = file_descriptor{
    ::openat(made.around_.get(), partial.c_str(), folder_flags)};
  if (made.folder_) { // a crash left it
    made.files_ = files_in(made.folder_.get());
    made.remove();
    made.files_.clear();
  }
  if (::mkdirat(made.around_.get(), partial.c_str(), 0700) != 0)
    return cannot("make " + made.path_, errno);
  made.unfinished_ = true;
  made.folder_ = file_descriptor{
    ::openat(made.around_.get(), partial.c_str(), folder_flags)};
  if (!made.folder_)
    return cannot("make " + made.path_, errno);
  return made;
}

new_folder::new_folder(new_folder&& other) noexcept
  : path_(std::move(other.path_)), name_(std::move(other.name_)),
    around_(std::move(other.around_)), folder_(std::move(other.folder_)),
    files_(std::move(other.files_)),
    unfinished_(std::exchange(other.unfinished_, false)) {
}

new_folder::~new_folder() {
  if (unfinished_)
    remove();
}

void new_folder::remove() noexcept {
  for (const auto& each : files_)
    ::unlinkat(folder_.get(), each.c_str(), 0);
  ::unlinkat(around_.get(), (name_ + ".partial").c_str(), AT_REMOVEDIR);
}

result<void>
new_folder::put(const std::string& name, std::string_view text, unsigned mode) {
  const file_descriptor file{
    ::openat(folder_.get(), name.c_str(),
             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
  if (!file)
    return cannot("make " + path_ + '/' + name, errno);
  files_.push_back(name);
  if (!give_away(file.get(), around_.get()))
    return cannot("give " + path_ + '/' + name + " to its owner", errno);
  if (!write_out(file.get(), text))
    return cannot("write " + path_ + '/' + name, errno);
  return {};
}

result<void> new_folder::finish() {
  if (!give_away(folder_.get(), around_.get()))
    return cannot("give " + path_ + " to its owner", errno);
  if (::fsync(folder_.get()) != 0
      || ::renameat(around_.get(), (name_ + ".partial").c_str(), around_.get(),
                    name_.c_str())
           != 0)
    return cannot("make " + path_, errno,
                  errno == ENOTEMPTY || errno == EEXIST
                    ? "There is something in it already, which is left alone: "
                      "choose another name, or move it away"
                    : "");
  unfinished_ = false;
  if (::fsync(around_.get()) != 0)
    return cannot("write " + path_ + " to the disk", errno);
  return {};
}

} // namespace weft
