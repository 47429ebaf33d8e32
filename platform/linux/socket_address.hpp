// Endpoints as the socket calls take and give them.  Only for the sources in
// this folder.
#pragma once

#include "protocol/base/ip.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

namespace weft {

/// A sockaddr of either family, and its length.
class socket_address {
public:
  socket_address() = default;
  explicit socket_address(const endpoint& from);

  sockaddr* data() {
    return reinterpret_cast<sockaddr*>(&storage_);
  }
  const sockaddr* data() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  /// The length that the address has; receive calls want capacity() and set
  /// it.
  socklen_t size() const {
    return size_;
  }
  static constexpr socklen_t capacity() {
    return sizeof(sockaddr_in6);
  }
  /// What a sockaddr_in or sockaddr_in6 holds, IPv4 as IPv4 in either case; an
  /// unspecified endpoint for any other family.
  endpoint to_endpoint() const;

private:
  // sockaddr_in is shorter, and begins with the family as well.
  sockaddr_in6 storage_{};
  socklen_t size_ = 0;
};

inline ip_address from_in_addr(const in_addr& from) {
  return ip_address::from_v4(reinterpret_cast<const std::byte*>(&from));
}

inline ip_address from_in6_addr(const in6_addr& from) {
  return ip_address::from_v6(reinterpret_cast<const std::byte*>(&from));
}

} // namespace weft
