#include "platform/unix_socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace weft {

namespace {

system_error
failure(int code, const std::string& path, std::string remedy = {}) {
  return make_system_error(code, "Cannot listen on the socket " + path,
                           std::move(remedy));
}

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

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Opens the folder that the socket goes into, made if missing.
result<file_descriptor> open_folder(const std::string& path) {
  auto folder = std::filesystem::path{path}.parent_path();
  if (folder.empty())
    folder = ".";
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    // Each missing part with 0755, whatever the umask takes away besides.
    std::filesystem::path part;
    for (const auto& step : folder) {
      part /= step;
      if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
        return tl::unexpected(
          make_system_error(errno, "Cannot make the folder " + part.string()));
    }
  }
  file_descriptor fd{
    ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd)
    return tl::unexpected(
      make_system_error(errno, "Cannot open the folder " + folder.string()));
  return fd;
}

/// Makes way for a new socket: removes one that nobody serves.
result<void> clear_place(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT)
      return {};
    return tl::unexpected(failure(errno, path));
  }
  if (!S_ISSOCK(info.st_mode))
    return tl::unexpected(
      failure(EEXIST, path,
              "It is no socket: remove it, or choose another "
              "path"));
  // Not to wait where somebody listens but does not accept.
  const file_descriptor probe{
    ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (::connect(probe.get(), generic(address), sizeof address) == 0
      || errno != ECONNREFUSED)
    return tl::unexpected(failure(EADDRINUSE, path,
                                  "Another program serves it: stop that one "
                                  "first"));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return tl::unexpected(failure(errno, path));
  return {};
}

} // namespace

result<unix_listener>
unix_listener::open(const std::string& path, mode_t mode) {
  auto address = to_address(path);
  if (!address)
    return tl::unexpected(address.error());
  auto folder = open_folder(path);
  if (!folder)
    return tl::unexpected(folder.error());
  // Programs that start at the same time come here one after the other, so
  // none takes a socket for abandoned that is about to be served.
  while (::flock(folder->get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  if (auto cleared = clear_place(path, *address); !cleared)
    return tl::unexpected(cleared.error());
  unix_listener made;
  file_descriptor fd{
    ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  // The mode first on the socket, which bounds that of the new file; then on
  // the file, as the umask may have taken from it.
  if (!fd || ::fchmod(fd.get(), mode) != 0
      || ::bind(fd.get(), generic(*address), sizeof *address) != 0)
    return tl::unexpected(failure(errno, path));
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return tl::unexpected(failure(errno, path));
  made.path_ = path;
  made.device_ = info.st_dev;
  made.inode_ = info.st_ino;
  made.fd_ = std::move(fd);
  made.spare_ = file_descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  if (::chmod(path.c_str(), mode) != 0
      || ::listen(made.fd_.get(), SOMAXCONN) != 0)
    return tl::unexpected(failure(errno, path));
  return made;
}

unix_listener& unix_listener::operator=(unix_listener&& other) noexcept {
  if (this != &other) {
    remove_file();
    fd_ = std::move(other.fd_);
    spare_ = std::move(other.spare_);
    path_ = std::move(other.path_);
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

unix_listener::~unix_listener() {
  remove_file();
}

void unix_listener::remove_file() noexcept {
  if (fd_ && still_in_place())
    ::unlink(path_.c_str());
}

bool unix_listener::still_in_place() const {
  struct stat info {};
  return ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_
         && info.st_ino == inode_;
}

file_descriptor unix_listener::accept() {
  for (;;) {
    file_descriptor connection{
      ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (connection || errno == EAGAIN)
      return connection;
    if (errno == EINTR || errno == ECONNABORTED)
      continue;
    if ((errno != EMFILE && errno != ENFILE) || !spare_)
      return {};
    // A connection that waits would wake the loop again and again.
    spare_.reset();
    {
      const file_descriptor refused{
        ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    }
    spare_ = file_descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    return {};
  }
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
