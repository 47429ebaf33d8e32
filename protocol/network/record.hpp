// What a member says of itself, signed with the key of its certificate.
//
// The signed bytes travel and are kept as they are and are never written again:
//
//   "weft record 1"  13
//   network id       16
//   member id        16
//   generation        8, network order
//   serial            8
//   content           a CBOR map
//   signature        64, of all before
//
// Records of one member are ordered by generation and serial.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/places.hpp"
#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <compare>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace weft {

inline constexpr std::size_t most_record_bytes = 4096;
inline constexpr std::size_t most_record_endpoints = 8;
inline constexpr std::size_t most_record_abilities = 16;

struct published_endpoint {
  endpoint where;
  endpoint_source source = endpoint_source::file;

  auto operator<=>(const published_endpoint&) const = default;
};

struct record_content {
  std::vector<published_endpoint> endpoints; ///< best first
  bool relays = false;                       ///< passes on what is sealed
  std::uint64_t epoch = 0; ///< of the preshared secret that it initiates with
  std::set<std::string> abilities{}; ///< words for what it can do beside

  bool operator==(const record_content&) const = default;
};

struct record_order {
  std::uint64_t generation = 0;
  std::uint64_t serial = 0;

  auto operator<=>(const record_order&) const = default;
};

/// A record, read and bounded.  Whether it is the member's own shows verify().
class member_record {
public:
  /// Writes and signs one.  Throws std::invalid_argument if `content` breaks
  /// the bounds (find_mistake).
  static member_record
  make(const network_id& network, const member_id& member, record_order order,
       const record_content& content, const signing_seed& seed);
  static accepted<member_record> read(const_byte_span bytes);

  /// All of it, with the signature.
  const byte_vector& bytes() const {
    return bytes_;
  }
  const network_id& network() const {
    return network_;
  }
  const member_id& member() const {
    return member_;
  }
  record_order order() const {
    return order_;
  }
  const record_content& content() const {
    return content_;
  }
  bool verify(const verifying_key& key) const;

private:
  member_record() = default;

  byte_vector bytes_;
  network_id network_;
  member_id member_;
  record_order order_;
  record_content content_;
};

/// What is wrong with a content by itself: bounds, and endpoints that are none
/// for others (multicast, loopback, link-local, unspecified, without port).
std::optional<refused> find_mistake(const record_content& content);

/// The first endpoint that lies within the overlay, which nobody is reached
/// through before it is reached.
const published_endpoint*
find_inside(const record_content& content, std::span<const ip_prefix> overlay);

} // namespace weft
