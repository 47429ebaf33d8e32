#include "platform/connect.hpp"

#include "platform/linux/socket_address.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace weft {

namespace {

constexpr int stream_type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

file_descriptor open_spare() {
  return file_descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

bool set_flag(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

tl::unexpected<system_error>
cannot_listen(const endpoint& where, std::string remedy = {}) {
  return tl::unexpected(make_system_error(
    errno, "Cannot listen on TCP " + to_string(where), std::move(remedy)));
}

} // namespace

result<file_descriptor> start_connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto what = "Cannot connect to the socket " + path;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return tl::unexpected(make_system_error(
      ENAMETOOLONG, what, "The path of a socket has 1 to 107 characters"));
  path.copy(&address.sun_path[0], path.size());
  file_descriptor fd{::socket(AF_UNIX, stream_type, 0)};
  if (!fd)
    return tl::unexpected(make_system_error(errno, what));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  while (::connect(fd.get(), generic, sizeof address) != 0) {
    if (errno != EINTR)
      return tl::unexpected(make_system_error(errno, what));
  }
  return fd;
}

result<file_descriptor> start_connect_tcp(const endpoint& to) {
  const socket_address address{to};
  file_descriptor fd{::socket(address.data()->sa_family, stream_type, 0)};
  if (!fd || !set_flag(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1)
      || (::connect(fd.get(), address.data(), address.size()) != 0
          && errno != EINPROGRESS && errno != EINTR))
    return tl::unexpected(
      make_system_error(errno, "Cannot connect to " + to_string(to)));
  return fd;
}

int connect_error(int fd) {
  int code = 0;
  socklen_t size = sizeof code;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
    return errno;
  return code;
}

endpoint local_end(int fd) {
  socket_address address;
  auto size = socket_address::capacity();
  ::getsockname(fd, address.data(), &size);
  return address.to_endpoint();
}

result<std::pair<file_descriptor, file_descriptor>> open_socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, stream_type, 0, ends.data()) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot make a pair of sockets"));
  return std::pair{file_descriptor{ends[0]}, file_descriptor{ends[1]}};
}

/// "[::]" means all addresses: where the host has no IPv6, those of IPv4.
result<tcp_listener> tcp_listener::open(const endpoint& where) {
  auto opened = open_one(where);
  const bool lacks_family = !opened
                            && (opened.error().code == EAFNOSUPPORT
                                || opened.error().code == EPFNOSUPPORT
                                || opened.error().code == EADDRNOTAVAIL);
  if (!lacks_family || where.address.is_v4() || !where.address.is_unspecified())
    return opened;
  return open_one({*parse_ip_address("0.0.0.0"), where.port});
}

result<tcp_listener> tcp_listener::open_one(const endpoint& where) {
  const socket_address address{where};
  tcp_listener made;
  made.fd_
    = file_descriptor{::socket(address.data()->sa_family, stream_type, 0)};
  const auto fd = made.fd_.get();
  if (!made.fd_ || !set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1))
    return cannot_listen(where);
  const auto both_families
    = !where.address.is_v4() && where.address.is_unspecified();
  if (!where.address.is_v4()
      && !set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1))
    return cannot_listen(where);
  if (::bind(fd, address.data(), address.size()) != 0
      || ::listen(fd, SOMAXCONN) != 0) {
    std::string remedy;
    if (errno == EADDRINUSE)
      remedy = "Another program listens there: stop it, or choose another port";
    else if (errno == EADDRNOTAVAIL)
      remedy = "The host has no such address: see `ip address`";
    return cannot_listen(where, std::move(remedy));
  }
  made.spare_ = open_spare();
  return made;
}

endpoint tcp_listener::where() const {
  return local_end(fd_.get());
}

tcp_listener::connection tcp_listener::accept() {
  for (;;) {
    socket_address from;
    auto size = socket_address::capacity();
    connection made;
    made.fd = file_descriptor{
      ::accept4(fd_.get(), from.data(), &size, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (made.fd) {
      made.from = from.to_endpoint();
      set_flag(made.fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      return made;
    }
    if (errno == EAGAIN)
      return made;
    if (errno != EMFILE && errno != ENFILE) {
      // Errors of the connection that waited (accept(2), "Error handling").
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO
          || errno == ENETDOWN || errno == ENETUNREACH || errno == EHOSTDOWN
          || errno == EHOSTUNREACH || errno == ENONET || errno == ENOPROTOOPT
          || errno == EOPNOTSUPP)
        continue;
      return made;
    }
    if (!spare_)
      return made;
    // A connection that waits would wake the loop again and again.
    spare_.reset();
    {
      const file_descriptor refused{
        ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    }
    spare_ = open_spare();
    return made;
  }
}

} // namespace weft
