// OpenSSL's objects as values that free themselves, and what the files of
// platform/ share of certificates.  Private to platform/.
#pragma once

#include "platform/certificates.hpp"
#include "protocol/network/signing.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <chrono>
#include <initializer_list>
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

using big_number = handle<BIGNUM, BN_free>;
using bio = handle<BIO, BIO_free>;
using certificate = handle<X509, X509_free>;
using distinguished_name = handle<X509_NAME, X509_NAME_free>;
using extension = handle<X509_EXTENSION, X509_EXTENSION_free>;
using integer = handle<ASN1_INTEGER, ASN1_INTEGER_free>;
using key = handle<EVP_PKEY, EVP_PKEY_free>;
using moment = handle<ASN1_TIME, ASN1_TIME_free>;
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

// -- making -----------------------------------------------------------------

moment to_moment(std::chrono::sys_seconds time);

struct name_part {
  const char* field; ///< "CN", "OU" ...
  std::string_view text;
};
distinguished_name make_name(std::initializer_list<name_part> parts);

/// 126 of these bits, in a positive number of always 16 bytes.
integer make_serial(byte_array<16> random);

struct certificate_fields {
  const ASN1_INTEGER* serial = nullptr;
  const X509_NAME* issuer = nullptr;
  const X509_NAME* subject = nullptr;
  std::chrono::sys_seconds from{};
  std::chrono::sys_seconds until{};
  EVP_PKEY* key = nullptr; ///< the subject's; null: it is put in later
};
/// Version 3, without extensions and signature.  Null: there is no memory.
certificate make_unsigned(const certificate_fields& fields);

std::string to_pem(X509* from);
result<secret_text> to_pem(EVP_PKEY* from);
/// What was written to a BIO in memory.
std::string to_text(BIO* from);

// -- telling ----------------------------------------------------------------

/// Nothing: it is none.
std::optional<std::chrono::sys_seconds> seconds_of(const ASN1_TIME* time);

certificate_info info_of(const X509* of);

/// Null: it is none, or not these bytes alone.
certificate parse_der(const_byte_span der);
/// Empty: there is no memory.
byte_vector to_der(const X509* from);

/// Both halves of the key pair.
key signing_key(const signing_seed& seed);

/// The number of a list of revocations, in lower-case hexadecimal digits
/// without leading zeros; empty if it has none, or one below 1.
std::string number_of(const X509_CRL* list);
/// Whether number `a` is lower than `b`.
bool is_lower(std::string_view a, std::string_view b);

} // namespace weft::x509
