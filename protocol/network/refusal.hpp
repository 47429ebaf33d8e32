// Why what came from elsewhere is not accepted: one list for the whole network,
// so that each reason can be counted and shown.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class refusal : std::uint8_t {
  malformed,          ///< is not encoded, bounded or canonical as it should be
  unknown_critical,   ///< has a field that must be understood, and is not
  wrong_role,         ///< is no certificate of the role that is asked for
  wrong_network,      ///< belongs to another network
  bad_signature,      ///< is not signed by whom it names
  outside_ranges,     ///< prefixes that the root or the issuer does not have
  taken,              ///< a name, key or prefix that somebody else has
  own_key,            ///< another member with this node's WireGuard key
  foreign_peer,       ///< a key or prefix of a peer of another origin
  stale,              ///< older than what is known already
  revoked,            ///< of a member that was removed
  list_missing,       ///< counts only with a newer list of revocations
  not_yet_valid,      ///< holds from a later time on
  expired,            ///< held until an earlier time
  unknown_member,     ///< of a member whose certificate is not known
  unknown_invitation, ///< a token that was never given out
  withdrawn,          ///< a token that was taken back
  used_up,            ///< a token that has let in as many as it may
  not_allowed,        ///< asks for what the invitation or the role leaves out
  exhausted,          ///< no slice is left in the ranges
  unproven_key,       ///< does not show that it has the private key
  unavailable,        ///< cannot be answered now: later
  used_twice,         ///< of a member that two machines are
};

inline constexpr std::size_t refusal_count
  = static_cast<std::size_t>(refusal::used_twice) + 1;

/// `bad_signature` ...: as metrics and documents name them.
std::string_view to_string(refusal why);
/// Nothing: it is none that this weft knows.
std::optional<refusal> parse_refusal(std::string_view text);

struct refused {
  refusal why{};
  std::string what; ///< which part of what, ready to print; no secrets

  bool operator==(const refused&) const = default;
};

template <class T>
using accepted = tl::expected<T, refused>;

inline tl::unexpected<refused> refuse(refusal why, std::string what) {
  return tl::unexpected(refused{why, std::move(what)});
}

} // namespace weft
