// How a node that has a token asks to be let in.
//
// In a TLS 1.3 session with a directory under the root that the token pins:
//
//   directory -> node   join_challenge: an ephemeral Curve25519 key
//   node -> directory   the request's bytes, and join_proof:
//     by_token        with the token's seed, and
//     by_certificate  with the key that is to be certified, each of
//                     "weft join 1", network id, SHA-256 of the request,
//                     WireGuard key, the session's exporter
//     of_key          HMAC-SHA256 under HKDF of the Diffie-Hellman of WireGuard
//                     key and ephemeral key, of the same and both of these keys
//   directory -> node   what the issuer made of it
//
// The exporter ties all to this session: nothing of it can be used in another
// one.  The signatures name the keys, so that who passes them on cannot put its
// own in their place.
#pragma once

#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <optional>
#include <string>
#include <utility>

namespace weft {

struct join_request {
  network_id network;
  verifying_key token;             ///< the public half of the token's seed
  public_key key;                  ///< WireGuard's
  verifying_key certificate;       ///< the key that the certificate is to be of
  std::optional<std::string> name; ///< unless the invitation says it

  bool operator==(const join_request&) const = default;
};

inline constexpr std::size_t most_join_request_bytes = 1024;

byte_vector encode(const join_request& request);
accepted<join_request> read_join_request(const_byte_span bytes);

/// Key material of the TLS session (RFC 8446, 7.5), by this label.
inline constexpr std::string_view join_exporter_label = "EXPORTER-weft-join-1";
using tls_exporter = byte_array<32>;

/// What the directory begins with; the private half stays with it.
struct join_challenge {
  public_key ephemeral;
};

struct join_proof {
  signature by_token{};
  signature by_certificate{};
  byte_array<32> of_key{};

  bool operator==(const join_proof&) const = default;
};

/// A request with all that is sent beside it.
struct proven_request {
  byte_vector request;
  join_proof proof;
};

byte_vector encode(const proven_request& what);
accepted<proven_request> read_proven_request(const_byte_span bytes);

/// The secrets of the node that joins, on its disk before it asks.
struct join_keys {
  signing_seed token;
  signing_seed certificate;
  private_key wireguard;
};

/// The request that these keys are for, with its proof.  Nothing if the
/// directory's key is of low order, which no honest one is.
std::optional<proven_request>
prove(const join_keys& keys, const network_id& network,
      const std::optional<std::string>& name, const tls_exporter& exporter,
      const join_challenge& challenge);

/// The request if both signatures are right.  For the issuer, who believes no
/// directory: it needs the exporter alone.
accepted<join_request>
check_signatures(const proven_request& what, const tls_exporter& exporter);

/// The same, and that the WireGuard key is the node's own.  For the directory
/// that made the challenge.
accepted<join_request>
check_proof(const proven_request& what, const tls_exporter& exporter,
            const private_key& ephemeral);

} // namespace weft
