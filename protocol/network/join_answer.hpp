// What a node hears that has asked to be let in: its certificate, or why not.
// Members, records and lists are not in it: it fetches them as a member.
#pragma once

#include "protocol/network/preshared.hpp"
#include "protocol/network/refusal.hpp"

#include <vector>

namespace weft {

struct join_admission {
  /// Its certificate and those between it and the root, in this order, as DER.
  std::vector<byte_vector> certificates;
  /// The preshared secret, sealed for its token; none: there is none yet.
  std::optional<sealed_secret> secret;

  bool operator==(const join_admission&) const = default;
};

inline constexpr std::size_t most_join_certificates = 4;
inline constexpr std::size_t most_certificate_bytes = 4096;
inline constexpr std::size_t most_join_answer_bytes
  = (most_join_certificates + 1) * most_certificate_bytes;

/// An admission, or the refusal that the issuer or the directory gave.
using join_answer = accepted<join_admission>;

byte_vector encode(const join_answer& answer);
/// The answer that was sent; an error: it is none.
accepted<join_answer> read_join_answer(const_byte_span bytes);

} // namespace weft
