// What the network said of datagrams that were sent (IP_RECVERR, IPV6_RECVERR):
// the kernel quotes them in a queue of the socket's own.
#include "platform/linux/socket_address.hpp"
#include "platform/udp_socket.hpp"

#include <linux/errqueue.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <tuple>

namespace weft {

namespace {

/// Room for the error with whoever reported it, and for a local address.
struct alignas(cmsghdr) error_memory {
  static constexpr std::size_t capacity
    = CMSG_SPACE(sizeof(sock_extended_err) + sizeof(sockaddr_in6))
      + CMSG_SPACE(sizeof(in6_pktinfo));
  std::array<std::byte, capacity> bytes;
};

/// What a message of the queue says, if it is of the network.
std::optional<sock_extended_err> error_in(msghdr& header) {
  for (auto* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if ((control->cmsg_level == SOL_IP && control->cmsg_type == IP_RECVERR)
        || (control->cmsg_level == SOL_IPV6
            && control->cmsg_type == IPV6_RECVERR)) {
      sock_extended_err error{};
      std::memcpy(&error, CMSG_DATA(control), sizeof error);
      return error;
    }
  }
  return std::nullopt;
}

/// An error whose message found no room in the queue: a socket that only sends
/// would count as ready for ever.
void clear_pending(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  std::ignore = ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

} // namespace

void udp_socket::receive_errors(std::vector<network_error>& out) {
  may_have_errors_ = false;
  for (std::size_t i = 0; i < max_errors; ++i) {
    network_error error;
    iovec vector{error.quoted.data(), error.quoted.size()};
    socket_address remote;
    error_memory control{};
    msghdr header{};
    header.msg_name = remote.data();
    header.msg_namelen = socket_address::capacity();
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = error_memory::capacity;
    const auto length
      = ::recvmsg(fd_.get(), &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (length < 0) {
      clear_pending(fd_.get());
      return; // EAGAIN: that was all
    }
    const auto said = error_in(header);
    if (!said)
      continue;
    error.code = static_cast<int>(said->ee_errno);
    error.by_icmp = said->ee_origin == SO_EE_ORIGIN_ICMP
                    || said->ee_origin == SO_EE_ORIGIN_ICMP6;
    error.remote = remote.to_endpoint();
    if (error.code == EMSGSIZE)
      error.mtu = said->ee_info;
    error.quoted_size = static_cast<std::size_t>(length);
    out.push_back(error);
  }
  may_have_errors_ = true; // there may be more
}

} // namespace weft
