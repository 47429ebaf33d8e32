// Explicit congestion notification across the tunnel (RFC 3168, RFC 6040): the
// mark of an inner packet goes out on the datagram that carries it, and what
// the network makes of it comes in again.  DSCP stays inside.
#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>

namespace weft {

/// The ECN field of an IP header, with the values it has there.
enum class congestion_mark : std::uint8_t {
  not_capable = 0,
  capable_1 = 1, ///< ECT(1)
  capable_0 = 2, ///< ECT(0)
  congested = 3, ///< CE
};

inline constexpr std::uint8_t congestion_bits = 3; ///< of TOS, traffic class

/// The mark in the octet of an IP header that DSCP and ECN share.
constexpr congestion_mark congestion_mark_in(unsigned octet) {
  return static_cast<congestion_mark>(octet & congestion_bits);
}

/// The mark of an IP packet, which the datagram that carries it is to bear
/// (normal mode of RFC 6040, section 4.1).  What is no IP packet has none.
inline congestion_mark congestion_mark_of(const_byte_span packet) {
  if (packet.size() < 2)
    return congestion_mark::not_capable;
  const auto first = std::to_integer<unsigned>(packet[0]);
  const auto second = std::to_integer<unsigned>(packet[1]);
  if (first >> 4 == 4)
    return congestion_mark_in(second);
  // The traffic class begins in the lower half of the first octet.
  return first >> 4 == 6 ? congestion_mark_in(second >> 4)
                         : congestion_mark::not_capable;
}

/// Whether the mark of a datagram changes nothing of whatever packet is in it.
constexpr bool tells_nothing(congestion_mark outer) {
  return outer == congestion_mark::not_capable
         || outer == congestion_mark::capable_0;
}

/// Gives `packet`, which has a whole IP header, the mark that follows from its
/// own and from that of the datagram it came in (RFC 6040, section 4.2).
/// False: it has to be dropped, since its sender understands no other sign of
/// congestion.
bool take_over(congestion_mark outer, byte_span packet);

} // namespace weft
