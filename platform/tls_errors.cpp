#include "platform/tls_errors.hpp"

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <cerrno>
#include <system_error>

namespace weft::tls {

namespace {

constexpr auto broken_off = "the other side broke the connection off";
constexpr auto other_version = "the other side does not speak TLS 1.3";

/// What the other side says of us (RFC 8446 section 6.2).
std::string describe_alert(int alert) {
  const std::string refused = "the other side refused our certificate: ";
  switch (alert) {
    case SSL_AD_CERTIFICATE_EXPIRED:
      return refused + "it has expired, or the clocks differ";
    case SSL_AD_CERTIFICATE_REVOKED:
      return refused + "it was revoked";
    case SSL_AD_UNKNOWN_CA:
      return refused + "it was signed by another authority";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return refused + "it is not for this use";
    case SSL_AD_BAD_CERTIFICATE:
      return refused + "it is not for the host that was asked for, or damaged";
    case SSL_AD_CERTIFICATE_UNKNOWN:
      return refused + "it did not say why";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "the other side wants a certificate, and we sent none";
    case SSL_AD_PROTOCOL_VERSION:
      return other_version;
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "the other side does not speak the protocol that we want";
    default:
      return std::string("the other side ended the connection: ")
             + SSL_alert_desc_string_long(alert);
  }
}

} // namespace

std::string
describe_certificate(int verdict, side role, const std::string& host) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "does not hold yet, or the clocks differ";
    case X509_V_ERR_CERT_REVOKED:
      return "was revoked";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "was signed by another authority";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "is not for " + host;
    case X509_V_ERR_INVALID_PURPOSE:
      return role == side::server ? "is not for servers" : "is not for clients";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return "is of an authority whose list of revocations is missing";
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return "cannot be checked, as the list of revocations has expired";
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return "cannot be checked, as the list of revocations does not hold yet, "
             "or the clocks differ";
    default:
      return std::string("is not acceptable: ")
             + X509_verify_cert_error_string(verdict);
  }
}

bool is_refusal() {
  const auto error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL)
    return false;
  switch (ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET) {
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

std::string
describe_failure(const SSL* connection, side peer, const std::string& host) {
  const auto error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0)
    return broken_off;
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    if (reason >= SSL_AD_REASON_OFFSET)
      return describe_alert(reason - SSL_AD_REASON_OFFSET);
    switch (reason) {
      case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return "the other side's certificate "
               + describe_certificate(
                 static_cast<int>(SSL_get_verify_result(connection)), peer,
                 host);
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "the other side sent no certificate";
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST:
        return other_version;
      default:
        break;
    }
  }
  // OpenSSL 3.2 and later put what the system said here, too.
  if (ERR_SYSTEM_ERROR(error))
    return reason == EPIPE || reason == ECONNRESET
             ? broken_off
             : std::generic_category().message(reason);
  const char* words = ERR_reason_error_string(error);
  return std::string("TLS failed: ")
         + (words == nullptr ? "for an unknown reason" : words);
}

} // namespace weft::tls
