#include "platform/linux/descriptors_in_message.hpp"

#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace weft {

namespace {

constexpr std::size_t most_descriptors = 253; // SCM_MAX_FD

/// Room for the control message.
struct alignas(cmsghdr) control_room {
  std::array<char, CMSG_SPACE(sizeof(int) * most_descriptors)> bytes{};
};

} // namespace

ssize_t send_with_descriptors(int socket, std::string_view bytes,
                              std::span<const int> descriptors,
                              const sockaddr* to, socklen_t to_size) {
  if (descriptors.size() > most_descriptors) {
    errno = EINVAL;
    return -1;
  }
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  control_room room;
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to);
  message.msg_namelen = to_size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = room.bytes.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    auto* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(),
                descriptors.size_bytes());
  }
  ssize_t sent = 0;
  do
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

ssize_t receive_with_descriptors(int socket, std::span<char> into,
                                 std::vector<file_descriptor>& received) {
  iovec part{into.data(), into.size()};
  control_room room;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.bytes.data();
  message.msg_controllen = room.bytes.size();
  ssize_t size = 0;
  do
    size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size < 0)
    return size;
  for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
      continue;
    const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int),
                  sizeof descriptor);
      received.emplace_back(descriptor);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    errno = EMSGSIZE;
    return -1;
  }
  return size;
}

} // namespace weft
