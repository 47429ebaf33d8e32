// Splits a super-packet in the plainest way: the second opinion on segmenter
// and coalescer.
#pragma once

#include "tests/protocol/inner_packets.hpp"

#include <optional>

namespace weft::test {

/// Where the transport header of an IP packet lies, and what it is.  Nothing if
/// a route hides the destination: then only the kernel knows the checksum.
struct plain_headers {
  bool v4 = false;
  std::uint8_t protocol = 0;
  std::size_t transport = 0;
  std::size_t length = 0; ///< of all headers
};

inline unsigned at(const bytes& packet, std::size_t offset) {
  return std::to_integer<unsigned>(packet.at(offset));
}

inline std::optional<plain_headers> plain_parse(const bytes& packet) {
  plain_headers found;
  found.v4 = at(packet, 0) >> 4 == 4;
  if (found.v4) {
    found.transport = (at(packet, 0) & 15) * 4;
    found.protocol = static_cast<std::uint8_t>(at(packet, 9));
    for (std::size_t i = 20; i < found.transport; ++i)
      if (at(packet, i) == 131 || at(packet, i) == 137)
        return std::nullopt; // perhaps a source route
  } else {
    found.transport = 40;
    found.protocol = static_cast<std::uint8_t>(at(packet, 6));
    while (found.protocol == 0 || found.protocol == 43
           || found.protocol == 60) {
      if (found.protocol == 43)
        return std::nullopt;
      found.protocol = static_cast<std::uint8_t>(at(packet, found.transport));
      found.transport += (at(packet, found.transport + 1) + 1) * 8;
    }
  }
  found.length
    = found.transport
      + (found.protocol == 6 ? at(packet, found.transport + 12) / 16 * 4 : 8);
  return found;
}

/// Fills in the checksum that the host has left to the device.
inline void plain_checksum(const offload_header& header, bytes& packet) {
  const bytes summed(packet.begin() + header.checksum_start, packet.end());
  const auto sum = naive_checksum(summed);
  const auto field
    = std::size_t{header.checksum_start} + header.checksum_offset;
  store_be<std::uint16_t>(&packet.at(field), sum == 0 ? 0xffff : sum);
}

/// The packets that a host sends for `packet` with the offload `header`.
inline std::optional<std::vector<bytes>>
plain_split(const offload_header& header, bytes packet) {
  if (header.gso_type == offload_header::gso_none) {
    if ((header.flags & offload_header::needs_checksum) != 0)
      plain_checksum(header, packet);
    return std::vector<bytes>{packet};
  }
  const auto headers = plain_parse(packet);
  if (!headers)
    return std::nullopt;
  const auto stated
    = headers->v4 ? load_be<std::uint16_t>(&packet.at(2))
                  : std::size_t{40} + load_be<std::uint16_t>(&packet.at(4));
  packet.resize(stated);
  const bool tcp = headers->protocol == 6;
  std::vector<bytes> result;
  std::size_t sent = 0;
  const auto payload = packet.size() - headers->length;
  do {
    const auto length = std::min<std::size_t>(header.gso_size, payload - sent);
    const auto first
      = packet.begin() + static_cast<std::ptrdiff_t>(headers->length + sent);
    bytes part(packet.begin(),
               packet.begin() + static_cast<std::ptrdiff_t>(headers->length));
    part.insert(part.end(), first, first + static_cast<std::ptrdiff_t>(length));
    const auto size = static_cast<std::uint16_t>(part.size());
    const auto body
      = static_cast<std::uint16_t>(part.size() - headers->transport);
    if (headers->v4) {
      store_be(&part[2], size);
      store_be(&part[4], static_cast<std::uint16_t>(
                           load_be<std::uint16_t>(&part[4]) + result.size()));
      part[10] = part[11] = std::byte{0};
      const bytes ip(part.begin(),
                     part.begin()
                       + static_cast<std::ptrdiff_t>(headers->transport));
      store_be(&part[10], naive_checksum(ip));
    } else {
      store_be(&part[4], static_cast<std::uint16_t>(size - 40));
    }
    auto* l4 = &part[headers->transport];
    if (tcp) {
      store_be(l4 + 4, static_cast<std::uint32_t>(load_be<std::uint32_t>(l4 + 4)
                                                  + sent));
      if (sent > 0)
        l4[13] &= ~std::byte{cwr};
      if (sent + length < payload)
        l4[13] &= ~std::byte{fin | psh};
    } else {
      store_be(l4 + 4, body);
    }
    auto* field = l4 + (tcp ? 16 : 6);
    field[0] = field[1] = std::byte{0};
    bytes summed(part.begin() + (headers->v4 ? 12 : 8),
                 part.begin() + (headers->v4 ? 20 : 40));
    put16(summed, headers->protocol);
    put16(summed, body);
    summed.insert(summed.end(),
                  part.begin()
                    + static_cast<std::ptrdiff_t>(headers->transport),
                  part.end());
    const auto sum = naive_checksum(summed);
    store_be<std::uint16_t>(field, sum == 0 ? 0xffff : sum);
    sent += length;
    result.push_back(std::move(part));
  } while (sent < payload);
  return result;
}

} // namespace weft::test
