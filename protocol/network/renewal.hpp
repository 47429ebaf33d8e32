// What a member asks of the issuer for itself, signed with the key of its
// present certificate, so that no directory can ask for it: the next
// certificate, and to be let go.
#pragma once

#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <variant>

namespace weft {

struct renewal_request {
  network_id network;
  member_id member;
  std::uint64_t generation = 0; ///< of the certificate that signs
  public_key key;               ///< WireGuard's, which stays
  verifying_key certificate;    ///< the key to be certified, the same or new

  bool operator==(const renewal_request&) const = default;
};

struct leave_request {
  network_id network;
  member_id member;
  std::uint64_t generation = 0;

  bool operator==(const leave_request&) const = default;
};

inline constexpr std::size_t most_own_request_bytes = 1024;

/// Signed with `present`.
byte_vector
make_renewal(const renewal_request& what, const signing_seed& present);
byte_vector make_leave(const leave_request& what, const signing_seed& present);

using own_request = std::variant<renewal_request, leave_request>;

/// What is asked for by whom; the signature is not looked at.
accepted<own_request> read_own_request(const_byte_span bytes);
bool is_own_request_signed_by(const verifying_key& present,
                              const_byte_span bytes);

} // namespace weft
