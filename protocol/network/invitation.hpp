// What a token lets its holder ask for.  The issuer signs it; a directory keeps
// it, and can neither widen nor forge it.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace weft {

struct invitation {
  network_id network;
  verifying_key token;          ///< the public half of the token's seed
  std::uint64_t uses = 1;       ///< members that it lets in, 1 or more
  network_time until{};         ///< and by when
  std::set<std::string> groups; ///< that they are in
  /// What they are called (then there is one use), or as they please.
  std::optional<std::string> name;
  /// What they own (then there is one use); empty: a slice of each family.
  std::vector<ip_prefix> prefixes;

  bool operator==(const invitation&) const = default;
};

inline constexpr std::uint64_t most_uses = 100'000;

/// What is wrong with it by itself.
std::optional<refused> find_mistake(const invitation& what);

/// What is signed, and what signs it: sign(issuer's seed, encode(...)).
byte_vector encode(const invitation& what);
accepted<invitation> read_invitation(const_byte_span bytes);

} // namespace weft
