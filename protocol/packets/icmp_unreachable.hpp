// What the host is told when a packet of it has nobody to go to: the sender
// fails at once instead of trying for minutes (RFC 792, RFC 1122, RFC 4443).
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/time.hpp"
#include "protocol/base/token_bucket.hpp"

#include <map>
#include <vector>

namespace weft {

/// The packet that answers `packet`: "host unreachable" (RFC 792) or "address
/// unreachable" (RFC 4443, 3.1), from the destination of `packet` to its
/// source.  (From the device's own address the host would not take it.)
/// Empty: none may be sent, since `packet` is an ICMP error, not the first
/// fragment, or from or to an address that is no single host's (RFC 1122,
/// 3.2.2; RFC 4443, 2.4), or nothing that can be read.
std::vector<std::byte> make_unreachable(const_byte_span packet);

/// Answers at most ten packets of a source a second, and a hundred in all.
class unreachable_answers {
public:
  /// As make_unreachable(); empty also when there were too many.
  std::vector<std::byte> answer(const_byte_span packet, time_point now);

private:
  token_bucket all_{100, std::chrono::milliseconds{10}};
  std::map<ip_address, token_bucket> sources_; ///< those answered lately
};

} // namespace weft
