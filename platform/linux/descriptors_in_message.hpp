// File descriptors in messages of Unix sockets (SCM_RIGHTS, unix(7)).
#pragma once

#include "platform/file_descriptor.hpp"

#include <sys/socket.h>

#include <span>
#include <string_view>
#include <vector>

namespace weft {

/// As sendmsg(2), with copies of the descriptors, of which the kernel takes at
/// most 253.  `to` is null for a connected socket.
ssize_t
send_with_descriptors(int socket, std::string_view bytes,
                      std::span<const int> descriptors,
                      const sockaddr* to = nullptr, socklen_t to_size = 0);

/// As recvmsg(2).  What came is appended, closed on exec; errno is EMSGSIZE if
/// the kernel had to drop some.
ssize_t receive_with_descriptors(int socket, std::span<char> into,
                                 std::vector<file_descriptor>& received);

} // namespace weft
