#include "platform/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace weft {

result<file_watch> file_watch::open(const std::string& path) {
  const std::filesystem::path file{path};
  const auto folder
    = file.has_parent_path() ? file.parent_path().string() : std::string{"."};
  file_watch made;
  made.path_ = path;
  made.fd_ = file_descriptor{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (!made.fd_
      || ::inotify_add_watch(made.fd_.get(), folder.c_str(),
                             IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE
                               | IN_ONLYDIR)
           < 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot watch folder " + folder,
      "reload with SIGHUP instead, or raise fs.inotify.max_user_watches"));
  made.seen_ = identify_file(path);
  return made;
}

bool file_watch::read() {
  std::array<char, 4096> events{};
  bool any = false;
  for (;;) {
    const auto got = ::read(fd_.get(), events.data(), events.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      break;
    any = true;
  }
  if (!any)
    return false;
  // Whichever name the event was for: ours may be a link that leads there.
  const auto now = identify_file(path_);
  return std::exchange(seen_, now) != now && now;
}

} // namespace weft
