// The failures of TLS in plain words.  Private to platform/.
#pragma once

#include "platform/tls_credentials.hpp"

#include <string>

namespace weft::tls {

/// What is wrong with a certificate, to follow "the certificate ": a verdict
/// of X.509 (X509_V_ERR_...).  It should be one for `role`, and for `host`.
std::string
describe_certificate(int verdict, side role, const std::string& host);

/// Why an operation failed, from OpenSSL's error queue, which is emptied.
/// `peer` is the role of the other side, and `host` whom it should be.
std::string
describe_failure(const SSL* connection, side peer, const std::string& host);

/// Whether OpenSSL's error queue, which stays as it is, says that the other
/// side does not take our certificate.
bool is_refusal();

} // namespace weft::tls
