// Why a packet or a message was dropped.  Each reason is counted, and the
// counts are part of the status.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft {

enum class drop_reason : std::uint8_t {
  malformed_packet, ///< from the host: no IP packet, or a wrong offload header
  no_route,     ///< from the host: nobody's allowed IPs hold the destination
  routing_loop, ///< from the host: what we sent goes around
  no_endpoint,  ///< for a peer whose address is unknown
  queue_full,   ///< more of a peer than may wait, or at a packet port
  handshake_failed,   ///< waited for a handshake that was given up
  send_failed,        ///< refused by the host's network stack
  send_overload,      ///< the socket's buffer stayed full
  malformed_message,  ///< from the network: no WireGuard message
  invalid_mac,        ///< handshake message for another key, or forged
  rate_limited,       ///< handshake message of a source that sends too many
  cookie_sent,        ///< under load: answered with a cookie reply
  handshake_overload, ///< more handshake messages than can be looked at
  unknown_peer,       ///< handshake of a key that is not configured
  invalid_handshake,  ///< forged, or not the answer to ours
  replayed_handshake, ///< timestamp not newer than the last one
  unknown_index,      ///< transport message for no session
  expired_session,    ///< transport message for a session that has ended
  invalid_tag,        ///< transport message that does not authenticate
  replayed,           ///< transport message seen before, or too old
  malformed_inner,    ///< authenticated, but no IP packet
  wrong_source,       ///< inner source address is not the peer's
  oversized,   ///< larger than any buffer or, at a packet port, than the MTU
  device_busy, ///< the TUN device or consumer had no room, or was down
  device_rejected, ///< the TUN device refused the packet
  overload,        ///< more than one receive call can be asked for
};

inline constexpr std::size_t drop_reason_count
  = static_cast<std::size_t>(drop_reason::overload) + 1;

/// `no_route`, as in the enumeration.
std::string_view to_string(drop_reason reason);

/// A count for each reason.
class drop_counters {
public:
  void add(drop_reason reason, std::uint64_t packets = 1) {
    counts_[static_cast<std::size_t>(reason)] += packets;
  }
  void add(const drop_counters& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += other.counts_[i];
  }
  std::uint64_t operator[](drop_reason reason) const {
    return counts_[static_cast<std::size_t>(reason)];
  }

private:
  std::array<std::uint64_t, drop_reason_count> counts_{};
};

} // namespace weft
