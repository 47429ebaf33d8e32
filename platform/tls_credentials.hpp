// The files behind a TLS context: what a side shows, and whom it trusts.
// Private to platform/.
#pragma once

#include "platform/tls.hpp"
#include "platform/x509.hpp"

#include <openssl/ssl.h>

#include <vector>

namespace weft::tls {

enum class side : std::uint8_t { server, client };

constexpr side other(side one) {
  return one == side::server ? side::client : side::server;
}

/// What the owner shows of itself.
struct identity {
  std::vector<x509::certificate> chain; ///< its own first
  x509::key key;
  certificate_info info;
};

/// Whom the owner believes: authorities and their revocations.
struct trust {
  x509::store store;
};

result<trust> load_trust(const tls_files& files);

/// The key belongs to the certificate, which is one for `role`, holds now, and
/// comes from an authority in `who`.  Revocations are not looked at: who was
/// revoked must still refuse others that were.
result<identity>
load_identity(const tls_files& files, side role, const trust& who);

/// A callback of OpenSSL's that refuses a leaf certificate which does not
/// state that it is for `role`.  OpenSSL takes one that states nothing.
SSL_verify_cb usage_check(side role);

struct question {
  side role = side::client; ///< of the leaf's owner
  X509* leaf = nullptr;
  /// What may lie between it and the authority; may be null.
  STACK_OF(X509) * others = nullptr;
  const X509_VERIFY_PARAM* rules = nullptr; ///< more than the store's; or null
  std::optional<wall_time> at{};            ///< instead of the system's time
  bool ignore_revocations = false;
};

struct verdict {
  int code = X509_V_OK; ///< or X509_V_ERR_...
  int depth = 0;        ///< steps from the leaf to the certificate at fault
};

verdict verify(const trust& who, const question& what);

} // namespace weft::tls
