// Whether a host answers echo requests (ICMP), and of what size.
#pragma once

#include "platform/error.hpp"
#include "protocol/base/ip.hpp"

#include <chrono>

namespace weft {

/// Sends one request whose IP packet has `size` bytes, in one piece, and waits
/// for the answer.  Needs CAP_NET_RAW.  An error if it cannot be sent:
/// EMSGSIZE where the link takes no packet of this size.
result<bool> answers_echo(const ip_address& to, std::size_t size,
                          std::chrono::milliseconds patience);

} // namespace weft
