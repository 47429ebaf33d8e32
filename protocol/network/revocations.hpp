// The list of removed members, which each issuer signs of those that it let in,
// hourly and with each removal.
#pragma once

#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <set>
#include <string>

namespace weft {

struct revocation_list {
  network_id network;
  std::string issuer;          ///< its name
  std::uint64_t number = 0;    ///< rises with each list
  network_time issued{};       ///< its age shows whether a directory holds back
  std::set<member_id> removed; ///< whose certificates may not have ended

  bool operator==(const revocation_list&) const = default;
};

/// A list is one value of a directory's store (store.hpp), with its signature.
inline constexpr std::size_t most_revocations = 32'000;
inline constexpr std::size_t most_revocation_bytes = 520'000;
/// How often the issuer signs one.
inline constexpr std::chrono::hours revocation_interval{1};
/// An older one is told of.
inline constexpr std::chrono::hours old_revocation_age{24};

/// The number of the list after `last`: higher, and no lower than the time, so
/// that an issuer whose journal was restored goes on above what it gave out.
std::uint64_t next_revocation_number(std::uint64_t last, network_time now);

byte_vector encode(const revocation_list& list);
/// What encode() wrote.  Whether it is the issuer's shows is_signed_by().
accepted<revocation_list> read_revocation_list(const_byte_span bytes);

} // namespace weft
