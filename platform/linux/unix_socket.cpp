#include "platform/unix_socket.hpp"

#include "platform/linux/socket_folder.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace weft {

using socket_folder::generic;
using socket_folder::to_address;

namespace {

constexpr std::time_t seconds_between_attempts = 1;
constexpr int most_attempts = 4;

system_error
failure(int code, const std::string& path, std::string remedy = {}) {
  return make_system_error(code, "Cannot listen on the socket " + path,
                           std::move(remedy));
}

std::string folder_of(const std::string& path) {
  auto folder = std::filesystem::path{path}.parent_path().string();
  return folder.empty() ? "." : folder;
}

/// Renames without replacing anything: 0, or an errno.
int rename_into(int folder, const char* from, const char* to) {
  if (::renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return errno;
  // File systems that cannot do that can link.
  if (::linkat(folder, from, folder, to, 0) != 0)
    return errno;
  ::unlinkat(folder, from, 0);
  return 0;
}

/// A socket that is served before anybody finds it: bound to a temporary name
/// in the folder, which is the caller's to rename.
struct unnamed_socket {
  file_descriptor socket;
  std::string name;
};

result<unnamed_socket> make_socket(int folder, const std::string& path,
                                   const unix_listener::options& wanted) {
  unnamed_socket made;
  made.name = socket_folder::temporary_name();
  auto address
    = to_address(std::filesystem::path{path}.replace_filename(made.name));
  if (!address)
    return tl::unexpected(make_system_error(
      ENAMETOOLONG, "Cannot use '" + path + "' as a socket",
      "Its folder's name is too long: 93 characters are the most"));
  made.socket = file_descriptor{
    ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  // The mode first on the socket, which bounds that of the new file; then on
  // the file, as the umask may have taken from it.
  if (!made.socket || ::fchmod(made.socket.get(), wanted.mode) != 0
      || ::bind(made.socket.get(), generic(*address), sizeof *address) != 0)
    return tl::unexpected(failure(errno, path));
  if (::listen(made.socket.get(), SOMAXCONN) != 0) {
    const auto code = errno;
    ::unlinkat(folder, made.name.c_str(), 0);
    return tl::unexpected(failure(code, path));
  }
  return made;
}

/// Gives the file its group and its mode.  Nobody else may write to the
/// folder, so the name still is the socket, and no link.
result<void>
hand_over(int folder, const std::string& name, const std::string& path,
          const unix_listener::options& wanted) {
  if (wanted.group
      && ::fchownat(folder, name.c_str(), static_cast<uid_t>(-1), *wanted.group,
                    AT_SYMLINK_NOFOLLOW)
           != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot give " + path + " to its group",
                        "The daemon must run as root, or be in that group: "
                        "SupplementaryGroups= in its unit, --group-add of a "
                        "container"));
  if (::fchmodat(folder, name.c_str(), wanted.mode, 0) != 0)
    return tl::unexpected(failure(errno, path));
  return {};
}

/// Tells when the file goes: its number of links changes then.  An invalid
/// descriptor if the system has no more of these.
file_descriptor watch_file(const std::string& path) {
  file_descriptor made{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (made
      && ::inotify_add_watch(made.get(), path.c_str(),
                             IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF
                               | IN_DONT_FOLLOW)
           < 0)
    made.reset();
  return made;
}

/// Whether there was anything to be read, which is gone then.
bool drain(const file_descriptor& fd) {
  std::array<char, 4096> bytes{};
  bool any = false;
  while (fd && ::read(fd.get(), bytes.data(), bytes.size()) > 0)
    any = true;
  return any;
}

file_descriptor open_spare() {
  return file_descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

void nest(int set, const file_descriptor& fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (fd)
    ::epoll_ctl(set, EPOLL_CTL_ADD, fd.get(), &event);
}

} // namespace

bool unix_listener::place::still_there() const {
  struct stat info {};
  return ::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0
         && info.st_dev == device && info.st_ino == inode;
}

result<unix_listener::place>
unix_listener::take_place(const std::string& path, const options& wanted) {
  place made;
  made.name = std::filesystem::path{path}.filename();
  auto folder = socket_folder::open(folder_of(path));
  if (!folder)
    return tl::unexpected(folder.error());
  made.folder = std::move(*folder);
  const auto at = made.folder.get();
  auto unnamed = make_socket(at, path, wanted);
  if (!unnamed)
    return tl::unexpected(unnamed.error());
  const auto* temporary = unnamed->name.c_str();
  const auto give_up = [&](const system_error& reason) {
    ::unlinkat(at, temporary, 0);
    return tl::unexpected(reason);
  };
  struct stat info {};
  if (::fstatat(at, temporary, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return give_up(failure(errno, path));
  made.device = info.st_dev;
  made.inode = info.st_ino;
  made.socket = std::move(unnamed->socket);
  if (auto done = hand_over(at, unnamed->name, path, wanted); !done)
    return give_up(done.error());
  // Programs that start at the same time come here one after the other, so
  // none takes away what another has just put there.
  const auto alone = socket_folder::lock::take(at, path, wanted.patience);
  if (!alone)
    return give_up(alone.error());
  socket_folder::clear_abandoned(at, path);
  if (auto cleared = socket_folder::clear_place(at, made.name, path); !cleared)
    return give_up(cleared.error());
  if (const auto code = rename_into(at, temporary, made.name.c_str());
      code != 0)
    return give_up(failure(code, path));
  made.watch = watch_file(path);
  return made;
}

result<unix_listener>
unix_listener::open(const std::string& path, options wanted) {
  if (const auto address = to_address(path); !address)
    return tl::unexpected(address.error());
  auto found = take_place(path, wanted);
  // A monitor that met the file of a killed program may take ours for it.
  for (int i = 1; found && !found->still_there() && i < most_attempts; ++i)
    found = take_place(path, wanted);
  if (!found)
    return tl::unexpected(found.error());
  unix_listener made;
  made.path_ = path;
  made.wanted_ = wanted;
  made.wanted_.patience = {}; // from now on it has other things to do
  made.nest_ = file_descriptor{::epoll_create1(EPOLL_CLOEXEC)};
  made.timer_ = file_descriptor{
    ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  made.spare_ = open_spare();
  const auto code = errno;
  const auto complete = made.nest_ && made.timer_;
  made.settle(std::move(*found));
  if (!complete)
    return tl::unexpected(failure(code, path));
  nest(made.nest_.get(), made.timer_);
  return made;
}

void unix_listener::settle(place found) {
  place_ = std::move(found); // the former descriptors leave the set
  paused_ = false;
  nest(nest_.get(), place_.socket);
  nest(nest_.get(), place_.watch);
}

unix_listener& unix_listener::operator=(unix_listener&& other) noexcept {
  if (this != &other) {
    remove_file();
    nest_ = std::move(other.nest_);
    place_ = std::move(other.place_);
    timer_ = std::move(other.timer_);
    spare_ = std::move(other.spare_);
    path_ = std::move(other.path_);
    wanted_ = other.wanted_;
    paused_ = other.paused_;
  }
  return *this;
}

unix_listener::~unix_listener() {
  remove_file();
}

void unix_listener::remove_file() noexcept {
  if (place_.socket && still_in_place())
    ::unlinkat(place_.folder.get(), place_.name.c_str(), 0);
}

bool unix_listener::still_in_place() const {
  return place_.still_there();
}

void unix_listener::look_after_file() {
  const auto changed = drain(place_.watch);
  const auto due = drain(timer_);
  if (due && paused_) {
    paused_ = false;
    nest(nest_.get(), place_.socket);
  }
  if ((!changed && !due) || still_in_place())
    return;
  if (auto found = take_place(path_, wanted_); found && found->still_there()) {
    settle(std::move(*found));
    return;
  }
  // What somebody else has put there is his, until it goes.
  try_again_later();
}

void unix_listener::try_again_later() {
  itimerspec again{};
  again.it_value.tv_sec = seconds_between_attempts;
  ::timerfd_settime(timer_.get(), 0, &again, nullptr);
}

/// A connection that can neither be taken nor be refused wakes nobody until
/// then.
void unix_listener::pause() {
  ::epoll_ctl(nest_.get(), EPOLL_CTL_DEL, place_.socket.get(), nullptr);
  paused_ = true;
  try_again_later();
}

file_descriptor unix_listener::accept() {
  if (!spare_)
    spare_ = open_spare();
  if (paused_)
    look_after_file();
  for (;;) {
    file_descriptor connection{::accept4(place_.socket.get(), nullptr, nullptr,
                                         SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (connection)
      return connection;
    if (errno == EAGAIN) {
      look_after_file();
      return connection;
    }
    if (errno == EINTR || errno == ECONNABORTED)
      continue;
    if (errno != EMFILE && errno != ENFILE)
      return {};
    if (!spare_) {
      pause();
      return {};
    }
    // A connection that waits would wake the loop again and again.
    spare_.reset();
    {
      const file_descriptor refused{
        ::accept4(place_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    }
    spare_ = open_spare();
    return {};
  }
}

bool group_may_enter_folder_of(const std::string& path, gid_t group) {
  struct stat info {};
  if (::stat(folder_of(path).c_str(), &info) != 0)
    return false;
  const auto bit = info.st_gid == group ? mode_t{S_IXGRP} : mode_t{S_IXOTH};
  return (info.st_mode & bit) != 0;
}

result<peer_credentials> credentials_of(int connection) {
  ucred found{};
  socklen_t size = sizeof found;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &found, &size) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot tell who is at the other end"));
  return peer_credentials{found.pid, found.uid, found.gid};
}

result<file_descriptor> connect_unix(const std::string& path) {
  auto address = to_address(path);
  if (!address)
    return tl::unexpected(address.error());
  file_descriptor fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto what = "Cannot connect to the socket " + path;
  if (!fd)
    return tl::unexpected(make_system_error(errno, what));
  while (::connect(fd.get(), generic(*address), sizeof *address) != 0) {
    const int code = errno;
    if (code == EINTR)
      continue;
    std::string remedy;
    if (code == ENOENT || code == ECONNREFUSED)
      remedy = "Is the program that serves it running?";
    else if (code == EACCES)
      remedy = "Run as the user who may use it, such as root";
    return tl::unexpected(make_system_error(code, what, std::move(remedy)));
  }
  return fd;
}

} // namespace weft
