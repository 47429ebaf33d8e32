// X.509 of a network: what certificates say stands in their URIs
// (protocol/network/certificate.hpp); here are their Ed25519 signatures and
// times (RFC 5280, RFC 8410).  Nothing reads a file or the clock.
#pragma once

#include "platform/error.hpp"
#include "platform/secret_text.hpp"
#include "protocol/network/member_view.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct network_validity {
  network_time from{};
  network_time until{}; ///< has ended by then
};

struct network_certificate {
  byte_vector der;
  certificate_contents contents;
  verifying_key key;
  network_time from{};
  network_time until{};
};

/// What signs others.
struct network_signer {
  network_certificate certificate;
  signing_seed seed;
};

/// Reads one, whoever signed it, but for a root's, which signs itself.  It must
/// be, to the bit, what those below make of what it says: one meaning, one
/// text. At most most_certificate_bytes.
accepted<network_certificate> read_network_certificate(const_byte_span der);

/// SHA-256 of its DER.
sha256_digest fingerprint_of(const network_certificate& certificate);

/// Signed by itself, for a token to pin.
result<network_certificate>
make_root_certificate(const root_contents& contents, const signing_seed& seed,
                      const network_validity& valid);
/// Signed by the root (an issuer) or an issuer (a member, a directory), under a
/// serial number of 126 bits from `random`.  It ends when the signer's does, if
/// that is earlier.
result<network_certificate>
make_network_certificate(const certificate_contents& contents,
                         const verifying_key& key,
                         const network_validity& valid,
                         const network_signer& by, random_source& random);

/// An issuer's certificate, if the root signed it and lets it be so.  Times are
/// the caller's to judge, but for the root's own at `at`.
accepted<verified_issuer>
verify_issuer(const network_certificate& root, const_byte_span issuer,
              network_time at);
/// A member's or directory's, if that issuer signed it.  Times are the caller's
/// to judge.
accepted<network_certificate>
verify_issued(const network_certificate& issuer, const_byte_span der);
/// For the view.  The certificate must be a member's (`wrong_role`).
accepted<verified_certificate> to_verified(const network_certificate& member,
                                           const network_certificate& issuer);

/// All of a chain, a member's or directory's first and then its issuer's, the
/// root left out: signatures, roles, breaches, and times at `at`.  Returns the
/// first one.
accepted<network_certificate>
verify_chain(const network_certificate& root,
             std::span<const byte_vector> chain, network_time at);

// PEM (RFC 7468), as in files.  Text that is no PEM between two is passed over.
std::string to_pem(std::span<const byte_vector> certificates);
// `what` begins the errors, such as "The root /etc/weft/root.pem".
result<std::vector<byte_vector>>
read_pem_certificates(std::string_view text,
                      const std::string& what = "The certificate");
result<secret_text> to_pem(const signing_seed& seed); ///< PKCS #8
result<signing_seed>
read_pem_seed(std::string_view text, const std::string& what = "The key");

} // namespace weft
