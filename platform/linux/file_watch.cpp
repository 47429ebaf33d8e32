#include "platform/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <set>
#include <utility>

namespace weft {

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE;
/// The watch is on a folder that is not where it was any more.
constexpr std::uint32_t folder_left
  = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED;

/// The folders in which something must change for `path` to become another
/// file: of each link on the way, and of the file itself.  Where the way ends
/// early, the last folder that there is.
std::set<std::string> folders_on_the_way(const fs::path& path) {
  constexpr int most_links = 40; // the kernel's own bound
  std::error_code failed;
  const auto whole = fs::absolute(path, failed);
  if (failed)
    return {};
  std::set<std::string> folders;
  const auto steps = whole.relative_path();
  std::deque<fs::path> ahead{steps.begin(), steps.end()};
  fs::path here = "/";
  for (int links = 0; !ahead.empty();) {
    const auto step = ahead.front();
    ahead.pop_front();
    if (step.empty() || step == ".")
      continue;
    if (step == "..") {
      here = here.parent_path();
      continue;
    }
    const auto next = here / step;
    const auto kind = fs::symlink_status(next, failed).type();
    if (kind == fs::file_type::symlink) {
      folders.insert(here.string());
      const auto target = fs::read_symlink(next, failed);
      if (failed || ++links > most_links)
        break;
      if (target.is_absolute())
        here = "/";
      const auto more = target.relative_path();
      ahead.insert(ahead.begin(), more.begin(), more.end());
    } else if (kind == fs::file_type::directory && !ahead.empty()) {
      here = next;
    } else { // the file, nothing yet, or a folder in its place
      folders.insert(here.string());
      break;
    }
  }
  return folders;
}

} // namespace

result<file_watch> file_watch::open(const std::string& path) {
  file_watch made;
  made.path_ = path;
  made.fd_ = file_descriptor{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  auto code = made.fd_ ? made.follow_links() : errno;
  if (made.folders_.empty() && code == 0)
    code = ENOENT;
  if (code != 0)
    return tl::unexpected(make_system_error(
      code, "Cannot watch the folder of " + path,
      "reload with SIGHUP instead, or raise fs.inotify.max_user_watches"));
  made.seen_ = identify_file(path);
  return made;
}

/// Watches the folders that are on the way by now, and no others.  The errno of
/// the first that cannot be watched, or 0.
int file_watch::follow_links() {
  constexpr int most_rounds = 8;
  int failed = 0;
  // A link may have changed before its folder was watched.
  for (int round = 0; round < most_rounds; ++round) {
    const auto wanted = folders_on_the_way(path_);
    bool is_new = false;
    failed = 0;
    for (const auto& folder : wanted) {
      if (folders_.count(folder) != 0)
        continue;
      const int watch = ::inotify_add_watch(fd_.get(), folder.c_str(),
                                            changes | folder_left | IN_ONLYDIR);
      if (watch >= 0)
        is_new = folders_.emplace(folder, watch).second;
      else if (failed == 0)
        failed = errno;
    }
    for (auto at = folders_.begin(); at != folders_.end();) {
      const auto keep = wanted.count(at->first) != 0;
      if (!keep)
        ::inotify_rm_watch(fd_.get(), at->second);
      at = keep ? std::next(at) : folders_.erase(at);
    }
    if (!is_new)
      break;
  }
  return failed;
}

/// Whether there were any.
bool file_watch::take_events() {
  alignas(inotify_event) std::array<char, 4096> events{};
  bool any = false;
  for (;;) {
    const auto got = ::read(fd_.get(), events.data(), events.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return any;
    any = true;
    const auto size = static_cast<std::size_t>(got);
    inotify_event event{};
    for (std::size_t at = 0; at + sizeof event <= size;
         at += sizeof event + event.len) {
      std::memcpy(&event, events.data() + at, sizeof event);
      if ((event.mask & folder_left) == 0)
        continue;
      // What has the folder's name by now is to be watched.
      for (auto known = folders_.begin(); known != folders_.end();) {
        const auto is_it = known->second == event.wd;
        if (is_it && (event.mask & IN_IGNORED) == 0)
          ::inotify_rm_watch(fd_.get(), event.wd);
        known = is_it ? folders_.erase(known) : std::next(known);
      }
    }
  }
}

bool file_watch::read() {
  if (!take_events())
    return false;
  follow_links();
  // Whichever name the event was for: ours may be a link that leads there.
  const auto now = identify_file(path_);
  return std::exchange(seen_, now) != now && now;
}

} // namespace weft
