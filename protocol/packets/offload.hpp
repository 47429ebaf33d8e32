// Generic segmentation and receive offload on inner packets: one TUN read
// yields up to 64 KiB of one flow, one TUN write takes as much.
#pragma once

#include "protocol/packets/checksum.hpp"
#include "protocol/packets/datagram_buffer.hpp"

#include <optional>

namespace weft {

/// The header in front of each packet of a TUN device with IFF_VNET_HDR
/// (virtio 1.1 section 5.1.6, 10 bytes, host byte order).
struct offload_header {
  static constexpr std::uint8_t needs_checksum = 1; ///< flags
  static constexpr std::uint8_t gso_none = 0;       ///< gso_type
  static constexpr std::uint8_t gso_tcp4 = 1;
  static constexpr std::uint8_t gso_tcp6 = 4;
  static constexpr std::uint8_t gso_udp = 5; ///< USO: UDP_L4
  static constexpr std::uint8_t gso_ecn = 0x80;

  std::uint8_t flags = 0;
  std::uint8_t gso_type = gso_none;
  std::uint16_t header_length = 0;
  std::uint16_t gso_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(offload_header) == 10);

/// Splits one packet read from a TUN device into datagrams: a super-packet
/// into its segments, a packet whose checksum is left to us into one with its
/// checksum filled in, any other as it is.  It copies each byte once.
class segmenter {
public:
  /// `packet` (the IP packet without the offload header) must outlive the
  /// segmenter; its headers may be changed.  Nothing if the header and the
  /// packet contradict each other, or if a segment were too large for any
  /// UDP datagram.
  static std::optional<segmenter>
  create(const offload_header& header, byte_span packet);

  /// Adds segments to `out` until all are out (true) or no more fit (false:
  /// go on with an emptied buffer).  `mtu` bounds the padding.  What does not
  /// even fit into an empty buffer is dropped.
  bool split_into(datagram_buffer& out, std::size_t mtu);

private:
  enum class work : std::uint8_t { copy, checksum, tcp, udp };

  segmenter() = default;
  bool take_checksum();
  bool take_super_packet();
  bool read_headers(std::uint8_t& protocol, bool& routed);
  bool take_tcp();
  bool take_udp();
  void take_pseudo_header(std::uint8_t protocol, std::size_t checksum_offset,
                          bool routed);
  void write_whole(byte_span segment) const;
  void write_segment(byte_span segment, std::size_t payload_offset) const;
  static void
  patch_tcp(std::byte* transport, std::size_t payload_offset, bool last);

  offload_header header_;
  byte_span packet_;
  work work_ = work::copy;
  bool done_ = false;
  datagram_buffer::contents contents_
    = datagram_buffer::contents::may_hold_message;
  congestion_mark mark_ = congestion_mark::not_capable; ///< of each segment
  std::size_t transport_ = 0;     ///< offset of the TCP or UDP header
  std::size_t header_length_ = 0; ///< IP and transport headers
  std::size_t payload_limit_ = 0; ///< payload bytes in a segment, at most
  std::size_t sent_ = 0;          ///< payload bytes that are out
  std::uint64_t pseudo_sum_ = 0;  ///< pseudo header without the length
};

} // namespace weft
