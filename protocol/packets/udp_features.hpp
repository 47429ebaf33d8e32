// What is asked of the kernel for the datagrams of a socket, as far as it can.
#pragma once

namespace weft {

struct udp_features {
  bool gso = true; ///< datagrams of one size leave with one call (UDP_SEGMENT)
  bool gro = true; ///< those of one size come in as one message (UDP_GRO)
  /// ICMP's "too big" is told, and does not have this host send fragments to
  /// whoever it quotes (IPv4: IP_PMTUDISC_OMIT; IPv6 knows no such thing).
  bool too_big = true;

  bool operator==(const udp_features&) const = default;
};

} // namespace weft
