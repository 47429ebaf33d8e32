// Inner packets for the tests of segmentation and coalescing, built field by
// field and summed by the slowest possible checksum, so that they are a second
// opinion on the code under test.
#pragma once

#include "protocol/packets/offload.hpp"
#include "tests/protocol/support.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace weft::test {

using bytes = std::vector<std::byte>;

/// RFC 1071 in its plainest form: the inverted sum.
inline std::uint16_t naive_checksum(const bytes& data) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const auto high = std::to_integer<std::uint32_t>(data[i]);
    const auto low
      = i + 1 < data.size() ? std::to_integer<std::uint32_t>(data[i + 1]) : 0;
    sum += high * 256 + low;
    if (sum > 0xffff)
      sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(0xffff - sum);
}

inline void put16(bytes& out, std::uint32_t value) {
  out.push_back(static_cast<std::byte>(value >> 8));
  out.push_back(static_cast<std::byte>(value));
}

inline void put32(bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

inline void put(bytes& out, const bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
}

inline bytes random_bytes(random_source& random, std::size_t size) {
  bytes result(size);
  random.fill(result);
  return result;
}

/// TCP flags.
inline constexpr std::uint8_t fin = 1;
inline constexpr std::uint8_t syn = 2;
inline constexpr std::uint8_t rst = 4;
inline constexpr std::uint8_t psh = 8;
inline constexpr std::uint8_t ack = 16;
inline constexpr std::uint8_t urg = 32;
inline constexpr std::uint8_t ece = 64;
inline constexpr std::uint8_t cwr = 128;

/// A TCP or UDP packet in words.
struct inner_packet {
  bool v4 = true;
  bool tcp = true;
  std::uint8_t traffic_class = 0;
  std::uint8_t hop_limit = 64;
  std::uint16_t identification = 1000;
  bool dont_fragment = true;
  bytes ip_options; ///< IPv4; a multiple of four
  bytes extensions; ///< IPv6; chained up to the transport header
  std::uint8_t first_extension = 0;
  std::uint8_t source_host = 1; ///< last byte of the address
  std::uint8_t destination_host = 2;
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 443;
  std::uint32_t sequence = 1;
  std::uint32_t acknowledgement = 77;
  std::uint8_t flags = ack;
  std::uint16_t window = 501;
  bytes tcp_options; ///< a multiple of four
  bytes payload;

  std::uint8_t protocol() const {
    return tcp ? 6 : 17;
  }
  std::size_t transport() const {
    return v4 ? 20 + ip_options.size() : 40 + extensions.size();
  }
  std::size_t checksum_offset() const {
    return tcp ? 16 : 6;
  }
  std::size_t header_length() const {
    return transport() + (tcp ? 20 + tcp_options.size() : 8);
  }
  std::size_t size() const {
    return header_length() + payload.size();
  }
  bytes addresses() const {
    if (v4)
      return {std::byte{10}, std::byte{0},
              std::byte{0},  std::byte{source_host},
              std::byte{10}, std::byte{0},
              std::byte{0},  std::byte{destination_host}};
    bytes both(32);
    both[0] = both[16] = std::byte{0xfd};
    both[15] = std::byte{source_host};
    both[31] = std::byte{destination_host};
    return both;
  }
};

inline bytes build_transport(const inner_packet& packet) {
  bytes out;
  put16(out, packet.source_port);
  put16(out, packet.destination_port);
  if (packet.tcp) {
    put32(out, packet.sequence);
    put32(out, packet.acknowledgement);
    const auto words = 5 + packet.tcp_options.size() / 4;
    out.push_back(static_cast<std::byte>(words << 4));
    out.push_back(std::byte{packet.flags});
    put16(out, packet.window);
    put32(out, 0);
    put(out, packet.tcp_options);
  } else {
    put16(out, static_cast<std::uint32_t>(8 + packet.payload.size()));
    put16(out, 0);
  }
  put(out, packet.payload);
  return out;
}

inline bytes build_ip(const inner_packet& packet) {
  bytes out;
  if (packet.v4) {
    const auto words = 5 + packet.ip_options.size() / 4;
    out.push_back(static_cast<std::byte>(0x40 + words));
    out.push_back(std::byte{packet.traffic_class});
    put16(out, static_cast<std::uint32_t>(packet.size()));
    put16(out, packet.identification);
    put16(out, packet.dont_fragment ? 0x4000 : 0);
    out.push_back(std::byte{packet.hop_limit});
    out.push_back(std::byte{packet.protocol()});
    put16(out, 0);
    put(out, packet.addresses());
    put(out, packet.ip_options);
    store_be(out.data() + 10, naive_checksum(out));
  } else {
    put32(out, 0x60000000u + (std::uint32_t{packet.traffic_class} << 20));
    put16(out, static_cast<std::uint32_t>(packet.size() - 40));
    out.push_back(std::byte{
      packet.extensions.empty() ? packet.protocol() : packet.first_extension});
    out.push_back(std::byte{packet.hop_limit});
    put(out, packet.addresses());
    put(out, packet.extensions);
  }
  return out;
}

inline bytes pseudo_header(const inner_packet& packet) {
  auto out = packet.addresses();
  put16(out, packet.protocol());
  put16(out, static_cast<std::uint32_t>(packet.size() - packet.transport()));
  return out;
}

/// The whole packet with right checksums.
inline bytes build(const inner_packet& packet) {
  auto transport = build_transport(packet);
  auto summed = pseudo_header(packet);
  put(summed, transport);
  auto checksum = naive_checksum(summed);
  if (checksum == 0)
    checksum = 0xffff;
  store_be(transport.data() + packet.checksum_offset(), checksum);
  auto out = build_ip(packet);
  put(out, transport);
  return out;
}

/// The packet as a kernel hands it to a device that computes checksums: the
/// field holds the sum of the pseudo header.
inline bytes build_partial(const inner_packet& packet) {
  auto out = build(packet);
  const auto sum
    = static_cast<std::uint16_t>(~naive_checksum(pseudo_header(packet)));
  store_be(out.data() + packet.transport() + packet.checksum_offset(), sum);
  return out;
}

/// The offload header that belongs to build_partial().  `gso_size` 0: one
/// packet.
inline offload_header
offload_of(const inner_packet& packet, std::size_t gso_size) {
  offload_header header;
  header.flags = offload_header::needs_checksum;
  header.header_length = static_cast<std::uint16_t>(packet.header_length());
  header.gso_size = static_cast<std::uint16_t>(gso_size);
  header.checksum_start = static_cast<std::uint16_t>(packet.transport());
  header.checksum_offset = static_cast<std::uint16_t>(packet.checksum_offset());
  if (gso_size == 0)
    header.gso_type = offload_header::gso_none;
  else if (!packet.tcp)
    header.gso_type = offload_header::gso_udp;
  else
    header.gso_type
      = packet.v4 ? offload_header::gso_tcp4 : offload_header::gso_tcp6;
  return header;
}

/// What a host would have sent without segmentation offload.
inline std::vector<inner_packet>
slow_segments(const inner_packet& packet, std::size_t gso_size) {
  std::vector<inner_packet> result;
  std::size_t sent = 0;
  do {
    auto part = packet;
    const auto length = std::min(gso_size, packet.payload.size() - sent);
    part.payload.assign(packet.payload.begin() + static_cast<long>(sent),
                        packet.payload.begin()
                          + static_cast<long>(sent + length));
    part.identification
      = static_cast<std::uint16_t>(packet.identification + result.size());
    part.sequence += static_cast<std::uint32_t>(sent);
    if (sent > 0)
      part.flags = static_cast<std::uint8_t>(part.flags & ~cwr);
    sent += length;
    if (sent < packet.payload.size())
      part.flags = static_cast<std::uint8_t>(part.flags & ~(fin | psh));
    result.push_back(part);
  } while (sent < packet.payload.size());
  return result;
}

inline std::vector<bytes> build_all(const std::vector<inner_packet>& packets) {
  std::vector<bytes> result;
  result.reserve(packets.size());
  for (const auto& packet : packets)
    result.push_back(build(packet));
  return result;
}

/// An IPv4 UDP packet from 10.0.0.`from` to 10.0.0.`to`, or one of IPv6
/// between fd00::`from` and fd00::`to`, with a number.
inline bytes
numbered_packet(std::uint8_t from, std::uint8_t to, std::uint32_t number,
                std::size_t payload = 4, bool v4 = true) {
  inner_packet packet;
  packet.v4 = v4;
  packet.tcp = false;
  packet.source_host = from;
  packet.destination_host = to;
  packet.identification = static_cast<std::uint16_t>(number);
  packet.payload.resize(std::max<std::size_t>(payload, 4));
  store_be(packet.payload.data(), number);
  return build(packet);
}

} // namespace weft::test
