#include "platform/kept_file.hpp"

#include "platform/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace weft {

namespace {

/// The end of a process waits so long for a write that is under way.
constexpr std::chrono::seconds patience{5};

} // namespace

result<std::shared_ptr<kept_file>>
kept_file::open(const std::string& folder, const std::string& name) {
  if (auto made = make_private_folder(folder); !made)
    return tl::unexpected(made.error());
  file_descriptor fd{
    ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto code = errno;
    return tl::unexpected(make_system_error(
      code, "Cannot use the folder " + folder,
      code == EWOULDBLOCK ? "Another process keeps its state there" : ""));
  }
  if (::access(folder.c_str(), W_OK) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot write to " + folder));
  return std::shared_ptr<kept_file>(
    new kept_file(std::move(fd), folder + '/' + name));
}

result<std::string> kept_file::read(std::size_t most) const {
  const auto read = load_any_file(path_, most);
  if (!read && read.error().code == ENOENT)
    return std::string{};
  if (!read)
    return tl::unexpected(read.error());
  return std::string{read->text.view()};
}

result<void> kept_file::write(const std::string& text) {
  const std::lock_guard alone(writing_);
  {
    const std::lock_guard guard(mutex_);
    if (left_ || passed_on_)
      return {};
  }
  return replace_file(path_, text, 0600);
}

void kept_file::leave(std::string text) {
  const std::lock_guard guard(mutex_);
  left_ = std::move(text);
}

result<void> kept_file::write_left() {
  const std::unique_lock alone(writing_, patience);
  if (!alone)
    return tl::unexpected(make_system_error(ETIMEDOUT, "Cannot write " + path_,
                                            "Its file system does not answer"));
  const std::lock_guard guard(mutex_);
  if (!left_ || passed_on_)
    return {};
  return replace_file(path_, *left_, 0600);
}

void kept_file::pass_on() {
  const std::lock_guard guard(mutex_);
  passed_on_ = true;
  ::flock(folder_.get(), LOCK_UN);
}

} // namespace weft
