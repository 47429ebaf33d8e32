// The memory for the headers of UDP messages, reused by every call.  Only for
// the sources in this folder.
#pragma once

#include "platform/linux/socket_address.hpp"
#include "platform/udp_socket.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>

namespace weft {

/// Room for the control messages of one message: the local address, the
/// segment size (int when received, 16 bits when sent), and the octet with the
/// congestion mark (int, but received with IPv4).
struct alignas(cmsghdr) control_memory {
  static constexpr std::size_t capacity
    = CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int));
  std::array<std::byte, capacity> bytes;
};

struct received_messages {
  static constexpr auto capacity = udp_socket::max_messages;
  std::array<mmsghdr, capacity> headers{};
  std::array<iovec, capacity> vectors{};
  std::array<socket_address, capacity> remotes{};
  std::array<control_memory, capacity> controls{};
};

struct sent_messages {
  static constexpr auto capacity = datagram_buffer::max_datagrams;
  std::array<mmsghdr, capacity> headers{};
  std::array<iovec, capacity> vectors{};
  std::array<control_memory, capacity> controls{};
  std::array<std::size_t, capacity> counts{}; ///< datagrams in each message
};

struct udp_socket::message_arena {
  received_messages received;
  sent_messages sent;
};

} // namespace weft
