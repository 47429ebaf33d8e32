#include "platform/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace weft {

result<file_watch> file_watch::open(const std::string& path) {
  const std::filesystem::path file{path};
  const auto folder
    = file.has_parent_path() ? file.parent_path().string() : std::string{"."};
  file_watch made;
  made.name_ = file.filename().string();
  made.fd_ = file_descriptor{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (!made.fd_
      || ::inotify_add_watch(made.fd_.get(), folder.c_str(),
                             IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR)
           < 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot watch folder " + folder,
      "reload with SIGHUP instead, or raise fs.inotify.max_user_watches"));
  return made;
}

bool file_watch::read() const {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  bool changed = false;
  for (;;) {
    const auto got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return changed;
    std::size_t at = 0;
    while (at + sizeof(inotify_event) <= static_cast<std::size_t>(got)) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const auto* name = buffer.data() + at + sizeof event;
      // Too many events at once: any of them may have been ours.
      changed = changed || (event.mask & IN_Q_OVERFLOW) != 0
                || (event.len > 0 && name_ == name);
      at += sizeof event + event.len;
    }
  }
}

} // namespace weft
