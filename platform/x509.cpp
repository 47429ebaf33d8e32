#include "platform/x509.hpp"

#include "protocol/base/ip.hpp"
#include "protocol/base/sodium.hpp"
#include "protocol/base/text.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <span>

namespace weft::x509 {

namespace {

constexpr std::string_view unit_prefix = "weft ";

struct openssl_text {
  unsigned char* bytes = nullptr;
  openssl_text() = default;
  openssl_text(const openssl_text&) = delete;
  openssl_text& operator=(const openssl_text&) = delete;
  ~openssl_text() {
    OPENSSL_free(bytes);
  }
};

/// An entry of a name, as UTF-8 that cannot steer a terminal.
std::string text_of(const X509_NAME* name, int index) {
  openssl_text utf8;
  const int size = ASN1_STRING_to_UTF8(
    &utf8.bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  if (size < 0)
    return {};
  return printable({reinterpret_cast<const char*>(utf8.bytes),
                    static_cast<std::size_t>(size)});
}

std::optional<control_role> role_of(const X509_NAME* subject) {
  std::optional<control_role> found;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(
                       subject, NID_organizationalUnitName, at))
                    >= 0;) {
    const auto unit = text_of(subject, at);
    if (!unit.starts_with(unit_prefix))
      continue;
    const auto role
      = parse_control_role(std::string_view{unit}.substr(unit_prefix.size()));
    if (!role || found)
      return {};
    found = role;
  }
  return found;
}

template <class Bytes>
std::string hexadecimal(const Bytes& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

std::string serial_of(const X509* of) {
  const auto* serial = X509_get0_serialNumber(of);
  return hexadecimal(
    std::span(ASN1_STRING_get0_data(serial),
              static_cast<std::size_t>(ASN1_STRING_length(serial))));
}

std::string fingerprint_of(const X509* of) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(of, EVP_sha256(), digest.data(), &size) != 1)
    return {};
  return hexadecimal(std::span(digest).first(size));
}

wall_time time_of(const ASN1_TIME* time) {
  // "No end" (9999-12-31, RFC 5280 section 4.1.2.5) is beyond nanoseconds.
  constexpr auto last
    = std::chrono::floor<std::chrono::seconds>(wall_time::max());
  return std::min(seconds_of(time).value_or(std::chrono::sys_seconds{}), last);
}

/// All objects of a kind in a PEM text, whatever else it holds.
template <class Handle, class Read>
result<std::vector<Handle>>
parse_all(std::string_view pem, const std::string& what, const char* marker,
          Read read) {
  ERR_clear_error();
  const auto from = reader(pem);
  std::vector<Handle> all;
  while (auto one = Handle{read(from.get(), nullptr, nullptr, nullptr)})
    all.push_back(std::move(one));
  const bool at_end
    = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end)
    return tl::unexpected(failure(what + " is damaged"));
  ERR_clear_error();
  if (all.empty())
    return tl::unexpected(make_system_error(
      0, what + " holds no PEM text",
      std::string("It must have a part that begins with '-----BEGIN ") + marker
        + "-----'"));
  return all;
}

int refuse_passphrase(char* /*into*/, int /*size*/, int /*writing*/,
                      void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

} // namespace

system_error failure(const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return make_system_error(0, reason == nullptr ? what : what + ": " + reason);
}

bio reader(std::string_view text) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  return bio{BIO_new_mem_buf(text.data(),
                             static_cast<int>(std::min(text.size(), most)))};
}

result<std::vector<certificate>>
parse_certificates(std::string_view pem, const std::string& what) {
  return parse_all<certificate>(pem, what, "CERTIFICATE", PEM_read_bio_X509);
}

result<std::vector<revocation_list>>
parse_revocations(std::string_view pem, const std::string& what) {
  return parse_all<revocation_list>(pem, what, "X509 CRL",
                                    PEM_read_bio_X509_CRL);
}

result<key> parse_key(std::string_view pem, const std::string& what) {
  ERR_clear_error();
  bool asked = false;
  const auto from = reader(pem);
  key parsed{
    PEM_read_bio_PrivateKey(from.get(), nullptr, refuse_passphrase, &asked)};
  if (parsed)
    return parsed;
  if (asked) {
    ERR_clear_error();
    return tl::unexpected(make_system_error(
      0, what + " is protected by a passphrase",
      "Nobody is there to type it: 'openssl pkey' takes it off"));
  }
  return tl::unexpected(failure(what + " is no private key in PEM"));
}

// -- making -----------------------------------------------------------------

moment to_moment(std::chrono::sys_seconds time) {
  return moment{
    ASN1_TIME_set(nullptr, std::time_t{time.time_since_epoch().count()})};
}

distinguished_name make_name(std::initializer_list<name_part> parts) {
  distinguished_name made{X509_NAME_new()};
  for (const auto& [field, text] : parts) {
    if (made
        && X509_NAME_add_entry_by_txt(
             made.get(), field, MBSTRING_UTF8,
             reinterpret_cast<const unsigned char*>(text.data()),
             static_cast<int>(text.size()), -1, 0)
             != 1)
      made.reset();
  }
  return made;
}

integer make_serial(byte_array<16> random) {
  random[0] = (random[0] & std::byte{0x3f}) | std::byte{0x40};
  const big_number number{
    BN_bin2bn(reinterpret_cast<const unsigned char*>(random.data()),
              static_cast<int>(random.size()), nullptr)};
  return integer{BN_to_ASN1_INTEGER(number.get(), nullptr)};
}

certificate make_unsigned(const certificate_fields& fields) {
  certificate made{X509_new()};
  const auto from = to_moment(fields.from);
  const auto until = to_moment(fields.until);
  if (!made || !from || !until)
    return {};
  auto* const to = made.get();
  // The serial number is only read; but OpenSSL wants no constant.
  auto* const serial = const_cast<ASN1_INTEGER*>(fields.serial);
  const bool filled
    = X509_set_version(to, X509_VERSION_3) == 1
      && X509_set_serialNumber(to, serial) == 1
      && X509_set_issuer_name(to, fields.issuer) == 1
      && X509_set1_notBefore(to, from.get()) == 1
      && X509_set1_notAfter(to, until.get()) == 1
      && X509_set_subject_name(to, fields.subject) == 1
      && (fields.key == nullptr || X509_set_pubkey(to, fields.key) == 1);
  return filled ? std::move(made) : nullptr;
}

std::string to_text(BIO* from) {
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(from, &bytes);
  return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : "";
}

std::string to_pem(X509* from) {
  const bio to{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(to.get(), from);
  return to_text(to.get());
}

result<secret_text> to_pem(EVP_PKEY* from) {
  // Memory that is wiped when it is freed.
  const bio to{BIO_new(BIO_s_secmem())};
  if (PEM_write_bio_PrivateKey(to.get(), from, nullptr, nullptr, 0, nullptr,
                               nullptr)
      != 1)
    return tl::unexpected(failure("Cannot write a private key"));
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(to.get(), &bytes);
  return secret_text{std::string_view(bytes, static_cast<std::size_t>(size))};
}

// -- telling ----------------------------------------------------------------

std::optional<std::chrono::sys_seconds> seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return std::nullopt;
  return std::chrono::sys_seconds{std::chrono::seconds{::timegm(&parts)}};
}

namespace {

/// Names and addresses that it is for; others are left out.
std::vector<std::string> hosts_of(const X509* of) {
  using names = handle<GENERAL_NAMES, GENERAL_NAMES_free>;
  const names all{static_cast<GENERAL_NAMES*>(
    X509_get_ext_d2i(of, NID_subject_alt_name, nullptr, nullptr))};
  std::vector<std::string> hosts;
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    int kind = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
      GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &kind));
    if (kind != GEN_DNS && kind != GEN_IPADD)
      continue;
    const std::span bytes{ASN1_STRING_get0_data(value),
                          static_cast<std::size_t>(ASN1_STRING_length(value))};
    const auto* first = std::as_bytes(bytes).data();
    if (kind == GEN_DNS)
      hosts.emplace_back(bytes.begin(), bytes.end());
    else if (bytes.size() == 4)
      hosts.push_back(to_string(ip_address::from_v4(first)));
    else if (bytes.size() == 16)
      hosts.push_back(to_string(ip_address::from_v6(first)));
  }
  return hosts;
}

} // namespace

certificate_info info_of(const X509* of) {
  const auto* subject = X509_get_subject_name(of);
  const int name = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  certificate_info info;
  if (name >= 0)
    info.name = text_of(subject, name);
  info.role = role_of(subject);
  info.serial = serial_of(of);
  info.fingerprint = fingerprint_of(of);
  info.not_before = time_of(X509_get0_notBefore(of));
  info.not_after = time_of(X509_get0_notAfter(of));
  info.hosts = hosts_of(of);
  return info;
}

std::string number_of(const X509_CRL* list) {
  const integer number{static_cast<ASN1_INTEGER*>(
    X509_CRL_get_ext_d2i(list, NID_crl_number, nullptr, nullptr))};
  if (!number || ASN1_STRING_type(number.get()) == V_ASN1_NEG_INTEGER)
    return {};
  const auto digits = hexadecimal(
    std::span(ASN1_STRING_get0_data(number.get()),
              static_cast<std::size_t>(ASN1_STRING_length(number.get()))));
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

bool is_lower(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// -- DER and keys ------------------------------------------------------------

certificate parse_der(const_byte_span der) {
  const auto* at = sodium::raw(der.data());
  const auto* const end = at + der.size();
  certificate parsed{d2i_X509(nullptr, &at, static_cast<long>(der.size()))};
  ERR_clear_error();
  return parsed && at == end ? std::move(parsed) : nullptr;
}

byte_vector to_der(const X509* from) {
  openssl_text der;
  const int size = i2d_X509(from, &der.bytes);
  if (size <= 0)
    return {};
  const auto bytes
    = std::as_bytes(std::span(der.bytes, static_cast<std::size_t>(size)));
  return {bytes.begin(), bytes.end()};
}

key signing_key(const signing_seed& seed) {
  return key{EVP_PKEY_new_raw_private_key(
    EVP_PKEY_ED25519, nullptr, sodium::raw(seed.data()), signing_seed::size)};
}

} // namespace weft::x509
