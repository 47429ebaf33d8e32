// The files behind a TLS context: what a side shows, and whom it trusts.
// Private to platform/.
#pragma once

#include "platform/tls.hpp"
#include "platform/x509.hpp"

#include <openssl/ssl.h>

#include <map>
#include <string>
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

/// OpenSSL's: 112 bits, so RSA has at least 2048, and there is no SHA-1.
inline constexpr int security_level = 2;

/// The numbers of the newest lists of revocations (RFC 5280 section 5.2.3), in
/// hexadecimal without leading zeros, by their authorities' fingerprints.
using list_numbers = std::map<std::string, std::string>;

/// More are not kept.
inline constexpr std::size_t most_authorities = 64;

/// What keep_numbers() wrote to `file`.  There may be none; one that is damaged
/// is ignored with a warning.  One that cannot be read is an error: nobody must
/// be let in by an older list because of a file's owner or mode.
result<list_numbers>
recall_numbers(const std::string& file, std::vector<std::string>& warnings);
/// Adds numbers, which are no lower than those that are known; authorities that
/// are not `present` stay known as far as there is room.
void add_numbers(list_numbers& known, const list_numbers& present);
/// Makes the folder, too.
result<void> keep_numbers(const std::string& file, const list_numbers& numbers);

/// Whom the owner believes: authorities and their revocations.
struct trust {
  x509::store store;
  list_numbers numbers;       ///< of those authorities; none without lists
  certificate_info authority; ///< the one that ends first
};

/// Lists that are older than `newest` says are refused.
result<trust>
load_trust(const tls_files& files, const list_numbers& newest = {});

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
