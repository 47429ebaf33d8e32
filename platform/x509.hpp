// OpenSSL's objects as values that free themselves, and what the files of
// platform/ share of certificates.  Private to platform/.
#pragma once

#include "platform/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <memory>

namespace weft::x509 {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using handle = std::unique_ptr<T, freed_by<Free>>;

using bio = handle<BIO, BIO_free>;
using certificate = handle<X509, X509_free>;
using key = handle<EVP_PKEY, EVP_PKEY_free>;
using revocation_list = handle<X509_CRL, X509_CRL_free>;
using store = handle<X509_STORE, X509_STORE_free>;

/// A failure of OpenSSL's, in its own words.  Empties its error queue.
system_error failure(const std::string& what);

/// A BIO that reads `text`, which must outlive it.
bio reader(std::string_view text);

/// All certificates in a PEM text, at least one; `what` begins the errors.
result<std::vector<certificate>>
parse_certificates(std::string_view pem, const std::string& what);
result<std::vector<revocation_list>>
parse_revocations(std::string_view pem, const std::string& what);
/// A key without a passphrase.
result<key> parse_key(std::string_view pem, const std::string& what);

certificate_info info_of(const X509* of);

/// The number of a list of revocations, in lower-case hexadecimal digits
/// without leading zeros; empty if it has none, or one below 1.
std::string number_of(const X509_CRL* list);
/// Whether number `a` is lower than `b`.
bool is_lower(std::string_view a, std::string_view b);

} // namespace weft::x509
