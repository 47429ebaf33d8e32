// Where the fields of IP, TCP and UDP headers lie that segmentation and
// coalescing read and change (RFC 791, 8200, 9293, 768).
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/packets/checksum.hpp"

namespace weft::inner {

inline constexpr std::uint8_t protocol_tcp = 6;
inline constexpr std::uint8_t protocol_udp = 17;
inline constexpr std::uint8_t protocol_fragment = 44; ///< RFC 8200, 4.5

namespace ipv4 {
inline constexpr std::size_t header_size = ipv4_header_size;
inline constexpr std::size_t total_length = 2;
inline constexpr std::size_t identification = 4;
inline constexpr std::size_t fragment = 6; ///< flags and offset
inline constexpr std::size_t protocol = 9;
inline constexpr std::size_t checksum = 10;
inline constexpr std::size_t addresses = 12;
inline constexpr std::size_t addresses_size = 8;
inline constexpr std::uint16_t dont_fragment = 0x4000;
/// More fragments, or an offset: not a whole packet.
inline constexpr std::uint16_t fragment_mask = 0x3fff;
} // namespace ipv4

namespace ipv6 {
inline constexpr std::size_t header_size = ipv6_header_size;
inline constexpr std::size_t payload_length = 4;
inline constexpr std::size_t next_header = 6;
inline constexpr std::size_t addresses = 8;
inline constexpr std::size_t addresses_size = 32;
} // namespace ipv6

namespace tcp {
inline constexpr std::size_t header_size = 20; ///< without options
inline constexpr std::size_t sequence = 4;
inline constexpr std::size_t acknowledgement = 8;
inline constexpr std::size_t data_offset = 12; ///< upper four bits, in words
inline constexpr std::size_t flags = 13;
inline constexpr std::size_t window = 14;
inline constexpr std::size_t checksum = 16;
inline constexpr std::size_t urgent = 18;
inline constexpr std::byte fin{0x01};
inline constexpr std::byte syn{0x02};
inline constexpr std::byte rst{0x04};
inline constexpr std::byte psh{0x08};
inline constexpr std::byte ack{0x10};
inline constexpr std::byte urg{0x20};
inline constexpr std::byte cwr{0x80};
} // namespace tcp

namespace udp {
inline constexpr std::size_t header_size = udp_header_size;
inline constexpr std::size_t length = 4;
inline constexpr std::size_t checksum = 6;
} // namespace udp

/// 4, 6, or whatever the first four bits say.  `packet` is not empty.
inline unsigned ip_version(const_byte_span packet) {
  return std::to_integer<unsigned>(packet[0]) >> 4;
}

/// The sum of the pseudo header without the length: the addresses of an IPv4
/// or IPv6 header at `ip`, and the protocol.
inline std::uint64_t
pseudo_header_sum(const std::byte* ip, bool is_v4, std::uint8_t protocol) {
  const auto addresses
    = is_v4 ? const_byte_span{ip + ipv4::addresses, ipv4::addresses_size}
            : const_byte_span{ip + ipv6::addresses, ipv6::addresses_size};
  return checksum_add(addresses, protocol);
}

/// Writes the header checksum of an IPv4 header of `size` bytes.
inline void set_ipv4_checksum(std::byte* ip, std::size_t size) {
  store_be<std::uint16_t>(ip + ipv4::checksum, 0);
  const auto sum = checksum_fold(checksum_add({ip, size}, 0));
  store_be(ip + ipv4::checksum, static_cast<std::uint16_t>(~sum));
}

/// The checksum field for a folded `sum`: a zero is written as its other
/// form, since zero means "no checksum" in UDP and the two are equal in TCP.
inline std::uint16_t finish_checksum(std::uint64_t sum) {
  const auto inverted = static_cast<std::uint16_t>(~checksum_fold(sum));
  return inverted == 0 ? std::uint16_t{0xffff} : inverted;
}

} // namespace weft::inner
