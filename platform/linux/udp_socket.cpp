#include "platform/udp_socket.hpp"

#include "platform/linux/udp_arena.hpp"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft {

namespace {

bool set_option(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// The system's limit holds for the first of the two, which root may exceed
/// with the second.
void set_buffers(int fd, const udp_socket::options& wanted) {
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, wanted.receive_buffer))
    set_option(fd, SOL_SOCKET, SO_RCVBUF, wanted.receive_buffer);
  if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, wanted.send_buffer))
    set_option(fd, SOL_SOCKET, SO_SNDBUF, wanted.send_buffer);
}

/// The options without which the socket is of no use.  What the network says of
/// its datagrams is kept (udp_errors.cpp).
bool set_required_options(int fd, ip_family family) {
  if (family == ip_family::v4)
    return set_option(fd, SOL_IP, IP_PKTINFO, 1)
           && set_option(fd, SOL_IP, IP_RECVTOS, 1)
           && set_option(fd, SOL_IP, IP_RECVERR, 1);
  return set_option(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1)
         && set_option(fd, SOL_IPV6, IPV6_RECVTCLASS, 1)
         && set_option(fd, SOL_IPV6, IPV6_RECVERR, 1);
}

/// Outer packets may be fragmented on their way, as the kernel's WireGuard lets
/// them be.  Routers of IPv6 fragment nothing: there this host has to, where it
/// was told to, and with OMIT it would not.
bool let_fragment(int fd, ip_family family, bool hears_too_big) {
  if (family == ip_family::v6)
    return set_option(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
  return set_option(fd, SOL_IP, IP_MTU_DISCOVER,
                    hears_too_big ? IP_PMTUDISC_OMIT : IP_PMTUDISC_DONT);
}

std::string name_of(ip_family family) {
  return family == ip_family::v4 ? "IPv4" : "IPv6";
}

system_error bind_error(int code, const udp_socket::options& wanted) {
  const auto port = std::to_string(wanted.port);
  auto what
    = "Cannot listen on UDP port " + port + " (" + name_of(wanted.family);
  if (!wanted.address.is_unspecified())
    what += ", " + to_string(wanted.address);
  std::string remedy;
  if (code == EADDRINUSE)
    remedy = "Choose another listen port, or stop the program that has it "
             "(ss -ulpn 'sport = :"
             + port + "' shows it)";
  else if (code == EADDRNOTAVAIL)
    remedy = "This host has no such address";
  else if (code == EACCES)
    remedy = "Ports below 1024 need CAP_NET_BIND_SERVICE: run as root or "
             "choose another listen port";
  return make_system_error(code, what + ")", std::move(remedy));
}

/// Reads the control messages of a received message into `to`.
void read_control(msghdr& header, received_datagrams& to) {
  for (auto* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    const auto* data = CMSG_DATA(control);
    if (control->cmsg_level == SOL_IP && control->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, data, sizeof info);
      // Not ipi_addr: that may be a broadcast address, which nobody can send
      // from.
      to.local = source_address{from_in_addr(info.ipi_spec_dst),
                                static_cast<std::uint32_t>(info.ipi_ifindex)};
    } else if (control->cmsg_level == SOL_IPV6
               && control->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, data, sizeof info);
      to.local = source_address{from_in6_addr(info.ipi6_addr),
                                static_cast<std::uint32_t>(info.ipi6_ifindex)};
    } else if (control->cmsg_level == SOL_UDP
               && control->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, data, sizeof size);
      if (size > 0)
        to.segment_size
          = std::min(static_cast<std::size_t>(size), to.bytes.size());
    } else if (control->cmsg_level == SOL_IP && control->cmsg_type == IP_TOS) {
      to.mark = congestion_mark_in(*data);
    } else if (control->cmsg_level == SOL_IPV6
               && control->cmsg_type == IPV6_TCLASS) {
      int octet = 0;
      std::memcpy(&octet, data, sizeof octet);
      to.mark = congestion_mark_in(static_cast<unsigned>(octet));
    }
  }
}

} // namespace

void udp_socket::arena_deleter::operator()(message_arena* arena) const {
  delete arena;
}

result<udp_socket> udp_socket::open(const options& wanted) {
  return open(wanted, false);
}

result<udp_socket>
udp_socket::open_beside(int send_buffer, int receive_buffer) const {
  // This one was bound without the option, so that nobody else had the port.
  if (!set_option(fd_.get(), SOL_SOCKET, SO_REUSEPORT, 1))
    return tl::unexpected(make_system_error(errno, "Cannot share a UDP port"));
  auto wanted = opened_as_;
  wanted.send_buffer = send_buffer;
  wanted.receive_buffer = receive_buffer;
  return open(wanted, true);
}

result<udp_socket> udp_socket::open(const options& wanted, bool shared) {
  const auto cannot_open
    = "Cannot open an " + name_of(wanted.family) + " UDP socket";
  udp_socket made;
  made.family_ = wanted.family;
  made.fd_ = file_descriptor{
    ::socket(wanted.family == ip_family::v4 ? AF_INET : AF_INET6,
             SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  const int fd = made.fd_.get();
  if (!made.fd_
      || (wanted.family == ip_family::v6
          && !set_option(fd, SOL_IPV6, IPV6_V6ONLY, 1)))
    return tl::unexpected(make_system_error(errno, cannot_open));
  if (auto done = made.set_options(wanted); !done)
    return tl::unexpected(done.error());
  if (shared && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
    return tl::unexpected(make_system_error(errno, cannot_open));
  auto where = wanted.address;
  where.family = wanted.family; // a default-constructed address is IPv4
  const socket_address address{{where, wanted.port, wanted.scope_id}};
  if (::bind(fd, address.data(), address.size()) != 0)
    return tl::unexpected(bind_error(errno, wanted));
  if (!made.learn_port())
    return tl::unexpected(make_system_error(errno, cannot_open));
  return made;
}

result<udp_socket>
udp_socket::adopt(file_descriptor opened, const options& wanted) {
  const auto option_of = [fd = opened.get()](int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value
                                                                    : -1;
  };
  const auto family = wanted.family == ip_family::v4 ? AF_INET : AF_INET6;
  udp_socket made;
  made.family_ = wanted.family;
  made.fd_ = std::move(opened);
  made.opened_as_ = wanted;
  const int fd = made.fd_.get();
  if (option_of(SO_DOMAIN) != family || option_of(SO_PROTOCOL) != IPPROTO_UDP
      || !made.learn_port() || made.port_ == 0)
    return tl::unexpected(system_error{
      EINVAL, "Cannot adopt descriptor " + std::to_string(fd)
                + " as a UDP socket: it is no " + name_of(wanted.family)
                + " UDP socket with a port"});
  const int mode = ::fcntl(fd, F_GETFL);
  if (mode < 0 || ::fcntl(fd, F_SETFL, mode | O_NONBLOCK) != 0
      || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return tl::unexpected(make_system_error(errno, "Cannot adopt a socket"));
  if (auto done = made.set_options(wanted); !done)
    return tl::unexpected(done.error());
  return made;
}

result<void> udp_socket::set_options(const options& wanted) {
  const int fd = fd_.get();
  if (!set_required_options(fd, wanted.family)
      || !let_fragment(fd, wanted.family, wanted.features.too_big))
    return tl::unexpected(make_system_error(
      errno, "Cannot open an " + name_of(wanted.family) + " UDP socket"));
  set_buffers(fd, wanted);
  std::uint32_t mark = 0;
  socklen_t size = sizeof mark;
  if (::getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) != 0
      || mark != wanted.fwmark) // to have it again would take a privilege
    if (auto marked = set_fwmark(wanted.fwmark); !marked)
      return marked;
  use(wanted.features);
  const auto port = opened_as_.port;
  opened_as_ = wanted;
  opened_as_.port = port;
  return {};
}

bool udp_socket::learn_port() {
  socket_address bound;
  auto length = socket_address::capacity();
  if (::getsockname(fd_.get(), bound.data(), &length) != 0)
    return false;
  port_ = bound.to_endpoint().port;
  opened_as_.port = port_;
  arena_.reset(new message_arena);
  return true;
}

result<void> udp_socket::set_fwmark(std::uint32_t mark) {
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot set the firewall mark of the UDP socket"));
  opened_as_.fwmark = mark;
  return {};
}

void udp_socket::use(const udp_features& wanted) {
  const int fd = fd_.get();
  gso_ = wanted.gso && set_option(fd, SOL_UDP, UDP_SEGMENT, 0);
  gso_refused_ = false;
  gro_ = set_option(fd, SOL_UDP, UDP_GRO, wanted.gro ? 1 : 0) && wanted.gro;
  let_fragment(fd, family_, wanted.too_big);
  opened_as_.features = wanted;
}

std::uint32_t udp_socket::lost() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> counts{};
  socklen_t size = sizeof counts;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, counts.data(), &size)
      != 0)
    return 0;
  return counts[SK_MEMINFO_DROPS];
}

std::size_t udp_socket::unsent() const {
  int bytes = 0;
  if (::ioctl(fd_.get(), SIOCOUTQ, &bytes) != 0 || bytes < 0)
    return 0;
  return static_cast<std::size_t>(bytes);
}

udp_socket::io_status
udp_socket::receive(byte_span memory, std::size_t max_count,
                    std::vector<received_datagrams>& out) {
  const auto count
    = std::min({max_count, max_messages, memory.size() / receive_stride});
  auto& arena = arena_->received;
  for (std::size_t i = 0; i < count; ++i) {
    arena.vectors[i] = {&memory[i * receive_stride], receive_stride};
    auto& header = arena.headers[i].msg_hdr;
    header.msg_name = arena.remotes[i].data();
    header.msg_namelen = socket_address::capacity();
    header.msg_iov = &arena.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = arena.controls[i].bytes.data();
    header.msg_controllen = control_memory::capacity;
    header.msg_flags = 0;
  }
  // A call may end with an error that belongs to an earlier send, and the
  // kernel then forgets it.  One that stays is the socket's own.
  constexpr int max_attempts = 8;
  int got = -1;
  for (int attempt = 0; attempt < max_attempts && got < 0; ++attempt) {
    got = ::recvmmsg(fd_.get(), arena.headers.data(),
                     static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    may_have_errors_ = may_have_errors_ || got < 0;
    if (got < 0 && errno == EAGAIN)
      return io_status::would_block;
  }
  if (got < 0)
    return io_status::failed;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    auto& header = arena.headers[i].msg_hdr;
    const std::size_t length = arena.headers[i].msg_len;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
      ++truncated_;
      continue;
    }
    if (length == 0)
      continue;
    received_datagrams datagrams;
    datagrams.bytes = memory.subspan(i * receive_stride, length);
    datagrams.segment_size = length;
    datagrams.remote = arena.remotes[i].to_endpoint();
    read_control(header, datagrams);
    out.push_back(datagrams);
  }
  return io_status::ok;
}

} // namespace weft
