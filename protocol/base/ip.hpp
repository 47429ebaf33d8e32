// Addresses, prefixes and endpoints, and the few fields of an IP packet that
// cryptokey routing reads.
#pragma once

#include "protocol/base/bytes.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

inline constexpr std::size_t ipv4_header_size = 20; ///< without options
inline constexpr std::size_t ipv6_header_size = 40;
inline constexpr std::size_t udp_header_size = 8;

enum class ip_family : std::uint8_t { v4 = 4, v6 = 6 };

/// An IPv4 or IPv6 address in network order.  An IPv4 address uses the first
/// four bytes, the others are zero.
struct ip_address {
  ip_family family = ip_family::v4;
  byte_array<16> bytes{};

  auto operator<=>(const ip_address&) const = default;
  bool is_v4() const {
    return family == ip_family::v4;
  }
  /// Bits of an address of this family: 32 or 128.
  unsigned bits() const {
    return is_v4() ? 32 : 128;
  }
  std::size_t size() const {
    return bits() / 8;
  }
  /// The IPv4 address that an IPv4-mapped IPv6 address (::ffff:192.0.2.1)
  /// stands for; any other is returned as it is.
  ip_address unmapped() const;
  /// 0.0.0.0 or ::
  bool is_unspecified() const {
    return bytes == byte_array<16>{};
  }
  static ip_address from_v4(const std::byte* four_bytes);
  static ip_address from_v6(const std::byte* sixteen_bytes);
};

/// Dotted decimal, or RFC 4291 section 2.2.  No zone, no surrounding brackets.
std::optional<ip_address> parse_ip_address(std::string_view text);
/// Dotted decimal, or the canonical form of RFC 5952.
std::string to_string(const ip_address& address);

/// An address and the length of its network part; host bits may be set.
struct ip_prefix {
  ip_address address;
  std::uint8_t length = 0;

  auto operator<=>(const ip_prefix&) const = default;
  /// The same prefix with the host bits cleared.
  ip_prefix network() const;
  bool contains(const ip_address& other) const;
};

/// `ADDRESS/LENGTH`, or `ADDRESS` for a host.  Host bits are kept.  What lies
/// within ::ffff:0:0/96 is the IPv4 prefix that it stands for.
std::optional<ip_prefix> parse_ip_prefix(std::string_view text);
/// `ADDRESS/LENGTH`
std::string to_string(const ip_prefix& prefix);

/// Where a UDP datagram comes from or goes to.
struct endpoint {
  ip_address address;
  std::uint16_t port = 0;
  std::uint32_t scope_id = 0; ///< interface of a link-local IPv6 address

  auto operator<=>(const endpoint&) const = default;
};

/// `192.0.2.1:51820`, `[2001:db8::1]:51820` or `[fe80::1%3]:51820`; an IPv4
/// address may have brackets, too, and an IPv4-mapped one becomes IPv4.
std::optional<endpoint> parse_endpoint(std::string_view text);
std::string to_string(const endpoint& where);

/// The local address that datagrams from a remote endpoint came to, so that
/// answers leave from it ("sticky" source, by pktinfo).
struct source_address {
  ip_address address;
  std::uint32_t interface_index = 0;

  bool operator==(const source_address&) const = default;
};

/// Both ends of the way to a peer.
struct network_path {
  endpoint remote;
  std::optional<source_address> local;

  bool operator==(const network_path&) const = default;
};

/// What cryptokey routing needs to know of an inner packet.
struct ip_packet_view {
  ip_address source;
  ip_address destination;
  std::size_t length = 0; ///< total length that the IP header states
};

/// Reads the fixed IP header at the start of `packet`.  Nothing if it is no
/// IPv4 or IPv6 packet, is shorter than its header, or states more bytes than
/// there are (there may be more than it states: padding).
std::optional<ip_packet_view> parse_ip_packet(const_byte_span packet);

} // namespace weft
