#include "platform/linux/socket_address.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace weft {

socket_address::socket_address(const endpoint& from) {
  if (from.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(from.port);
    std::memcpy(&v4.sin_addr, from.address.bytes.data(), sizeof v4.sin_addr);
    std::memcpy(&storage_, &v4, sizeof v4);
    size_ = sizeof v4;
  } else {
    storage_.sin6_family = AF_INET6;
    storage_.sin6_port = htons(from.port);
    storage_.sin6_scope_id = from.scope_id;
    std::memcpy(&storage_.sin6_addr, from.address.bytes.data(),
                sizeof storage_.sin6_addr);
    size_ = sizeof storage_;
  }
}

namespace {

/// The address that an IPv4-mapped one stands for (RFC 4291, 2.5.5.2): a
/// socket for both families has these for its IPv4 peers.
ip_address unmapped(const in6_addr& from) {
  if (!IN6_IS_ADDR_V4MAPPED(&from))
    return from_in6_addr(from);
  in_addr v4{};
  std::memcpy(&v4, &from.s6_addr[12], sizeof v4);
  return from_in_addr(v4);
}

} // namespace

endpoint socket_address::to_endpoint() const {
  endpoint to;
  if (storage_.sin6_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage_, sizeof v4);
    to.address = from_in_addr(v4.sin_addr);
    to.port = ntohs(v4.sin_port);
  } else if (storage_.sin6_family == AF_INET6) {
    to.address = unmapped(storage_.sin6_addr);
    to.port = ntohs(storage_.sin6_port);
    to.scope_id = storage_.sin6_scope_id;
  }
  return to;
}

} // namespace weft
