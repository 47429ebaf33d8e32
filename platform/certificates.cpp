#include "platform/certificates.hpp"

#include "platform/random.hpp"
#include "platform/x509.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/base/text.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace weft {

struct certificate_authority::parts {
  x509::certificate certificate;
  x509::key key;
};

namespace {

using x509::failure;

using x509::big_number;
using x509::extension;
using x509::integer;
using x509::to_pem;
using revoked_entry = x509::handle<X509_REVOKED, X509_REVOKED_free>;

std::chrono::sys_seconds whole_seconds(wall_time time) {
  return std::chrono::floor<std::chrono::seconds>(time);
}

x509::key new_key() {
  return x509::key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
}

struct extension_text {
  int kind;
  std::string value;
};

bool add_extensions(X509* to, X509* issuer,
                    const std::vector<extension_text>& all) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  return std::all_of(all.begin(), all.end(), [&](const extension_text& one) {
    const extension made{
      X509V3_EXT_conf_nid(nullptr, &context, one.kind, one.value.c_str())};
    return made && X509_add_ext(to, made.get(), -1) == 1;
  });
}

/// A certificate without a signature and extensions, under a random serial
/// number.  Without `issuer` it is its own.
x509::certificate
blank(const std::string& name, const std::string& unit, const validity& valid,
      EVP_PKEY* key, const X509_NAME* issuer = nullptr) {
  byte_array<16> drawn{};
  system_random{}.fill(drawn);
  const auto serial = x509::make_serial(drawn);
  const auto subject = x509::make_name({{"OU", unit}, {"CN", name}});
  if (!serial || !subject)
    return {};
  return x509::make_unsigned(
    {.serial = serial.get(),
     .issuer = issuer == nullptr ? subject.get() : issuer,
     .subject = subject.get(),
     .from = whole_seconds(valid.from),
     .until = whole_seconds(valid.until),
     .key = key});
}

/// The subject's alternative names: hosts, and the name if it can be one.
std::string alternative_names(const certificate_request& request) {
  auto hosts = request.hosts;
  if (std::find(hosts.begin(), hosts.end(), request.name) == hosts.end())
    hosts.insert(hosts.begin(), request.name);
  std::string text;
  for (const auto& host : hosts) {
    const char* kind = nullptr;
    if (parse_ip_address(host))
      kind = "IP:";
    else if (is_host_name(host))
      kind = "DNS:";
    else
      continue;
    text += (text.empty() ? "" : ",") + std::string{kind} + host;
  }
  return text;
}

std::vector<extension_text> extensions_for(const certificate_request& request) {
  const bool server = request.role == control_role::node;
  std::vector<extension_text> all{
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, server ? "serverAuth" : "clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"}};
  if (server)
    all.push_back({NID_subject_alt_name, alternative_names(request)});
  return all;
}

bool add_revocation(X509_CRL* to, const revocation& what) {
  BIGNUM* parsed = nullptr;
  const auto digits = BN_hex2bn(&parsed, what.serial.c_str());
  const big_number number{parsed};
  if (digits == 0 || static_cast<std::size_t>(digits) != what.serial.size())
    return false;
  const integer serial{BN_to_ASN1_INTEGER(number.get(), nullptr)};
  const auto when = x509::to_moment(whole_seconds(what.when));
  revoked_entry entry{X509_REVOKED_new()};
  if (!serial || !when || !entry
      || X509_REVOKED_set_serialNumber(entry.get(), serial.get()) != 1
      || X509_REVOKED_set_revocationDate(entry.get(), when.get()) != 1
      || X509_CRL_add0_revoked(to, entry.get()) != 1)
    return false;
  [[maybe_unused]] auto* owned_by_list = entry.release();
  return true;
}

/// The identifier of the key that signs, and a number that grows (RFC 5280
/// sections 5.2.1 and 5.2.3).
bool add_list_extensions(X509_CRL* to, X509* issuer, const BIGNUM* number) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, to, 0);
  const extension key{X509V3_EXT_conf_nid(
    nullptr, &context, NID_authority_key_identifier, "keyid:always")};
  const integer value{BN_to_ASN1_INTEGER(number, nullptr)};
  return key && X509_CRL_add_ext(to, key.get(), -1) == 1 && value
         && X509_CRL_add1_ext_i2d(to, NID_crl_number, value.get(), 0, 0) == 1;
}

/// A number for the list that comes after `former`: the time, or the next one
/// if the clock was put back.
big_number next_number(std::string_view former, wall_time from) {
  std::string highest;
  if (const auto lists = x509::parse_revocations(former, "")) {
    for (const auto& list : *lists) {
      if (auto number = x509::number_of(list.get());
          x509::is_lower(highest, number))
        highest = std::move(number);
    }
  }
  BIGNUM* parsed = nullptr;
  BN_hex2bn(&parsed, highest.empty() ? "0" : highest.c_str());
  big_number after{parsed};
  const big_number time{BN_new()};
  const auto count = std::max<std::int64_t>(from.time_since_epoch().count(), 0);
  if (!after || !time || BN_add_word(after.get(), 1) != 1
      || BN_set_word(time.get(), static_cast<BN_ULONG>(count)) != 1)
    return {};
  if (BN_cmp(after.get(), time.get()) < 0)
    BN_swap(after.get(), time.get());
  return after;
}

} // namespace

result<certificate_info> read_certificate(std::string_view text) {
  const auto chain = x509::parse_certificates(text, "The certificate");
  if (!chain)
    return tl::unexpected(chain.error());
  return x509::info_of(chain->front().get());
}

std::optional<std::string> ends_soon(wall_time not_after, wall_time now) {
  if (not_after - now >= renewal_notice)
    return {};
  if (not_after <= now)
    return "has expired";
  const auto days
    = std::chrono::floor<std::chrono::days>(not_after - now).count();
  return days < 1
           ? "ends within a day"
           : "ends in " + std::to_string(days) + (days == 1 ? " day" : " days");
}

bool is_certificate_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.'
         && std::all_of(name.begin(), name.end(), [](char c) {
              return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
            });
}

std::optional<std::string> mistake_in(const certificate_request& request) {
  if (!is_certificate_name(request.name))
    return "a certificate's name has 1 to 64 of the characters A-Z, a-z, 0-9, "
           ". _ and -, and does not begin with a dot";
  for (const auto& host : request.hosts) {
    if (!is_host_name(host) && !parse_ip_address(host))
      return "'" + host + "' is neither a host name nor an IP address";
  }
  if (request.role != control_role::node && !request.hosts.empty())
    return "hosts are for nodes only: clients are not connected to";
  if (request.role == control_role::node && alternative_names(request).empty())
    return "'" + request.name
           + "' can be no host name: name the hosts that clients find the node "
             "at";
  if (request.valid.until <= request.valid.from)
    return "the certificate would end before it begins";
  return {};
}

certificate_authority::certificate_authority(std::unique_ptr<parts> made)
  : parts_(std::move(made)) {
}
certificate_authority::certificate_authority(
  certificate_authority&&) noexcept = default;
certificate_authority&
certificate_authority::operator=(certificate_authority&&) noexcept = default;
certificate_authority::~certificate_authority() = default;

result<certificate_authority>
certificate_authority::make(const std::string& name, const validity& valid) {
  auto key = new_key();
  auto made = key ? blank(name, "weft authority", valid, key.get()) : nullptr;
  if (!made
      || !add_extensions(made.get(), made.get(),
                         {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                          {NID_key_usage, "critical,keyCertSign,cRLSign"},
                          {NID_subject_key_identifier, "hash"}})
      || X509_sign(made.get(), key.get(), nullptr) == 0)
    return tl::unexpected(failure("Cannot make an authority"));
  return certificate_authority{
    std::make_unique<parts>(parts{std::move(made), std::move(key)})};
}

result<certificate_authority>
certificate_authority::load(std::string_view certificate,
                            std::string_view key) {
  auto certificates
    = x509::parse_certificates(certificate, "The authority's certificate");
  if (!certificates)
    return tl::unexpected(certificates.error());
  auto parsed = x509::parse_key(key, "The authority's key");
  if (!parsed)
    return tl::unexpected(parsed.error());
  auto& first = certificates->front();
  if (X509_check_private_key(first.get(), parsed->get()) != 1) {
    ERR_clear_error();
    return tl::unexpected(make_system_error(
      0, "The authority's key does not belong to its certificate"));
  }
  if (X509_check_ca(first.get()) != 1)
    return tl::unexpected(
      make_system_error(0, "The certificate is no authority's"));
  return certificate_authority{
    std::make_unique<parts>(parts{std::move(first), std::move(*parsed)})};
}

std::string certificate_authority::certificate() const {
  return to_pem(parts_->certificate.get());
}

result<secret_text> certificate_authority::key() const {
  return to_pem(parts_->key.get());
}

certificate_info certificate_authority::info() const {
  return x509::info_of(parts_->certificate.get());
}

result<issued_certificate>
certificate_authority::issue(const certificate_request& request) const {
  const auto what = "Cannot make a certificate for " + request.name;
  if (auto mistake = mistake_in(request))
    return tl::unexpected(make_system_error(0, what + ": " + *mistake));
  auto valid = request.valid;
  valid.until = std::min(valid.until, info().not_after);
  if (valid.until <= valid.from)
    return tl::unexpected(
      make_system_error(0, what, "Its authority has expired"));
  auto* issuer = parts_->certificate.get();
  const auto key = new_key();
  const auto unit = "weft " + std::string{to_string(request.role)};
  const auto made = key ? blank(request.name, unit, valid, key.get(),
                                X509_get_subject_name(issuer))
                        : nullptr;
  if (!made || !add_extensions(made.get(), issuer, extensions_for(request))
      || X509_sign(made.get(), parts_->key.get(), nullptr) == 0)
    return tl::unexpected(failure(what));
  auto pem = to_pem(key.get());
  if (!pem)
    return tl::unexpected(pem.error());
  return issued_certificate{to_pem(made.get()), std::move(*pem),
                            x509::info_of(made.get())};
}

result<std::string>
certificate_authority::revoke(std::span<const revocation> revoked,
                              wall_time from, std::string_view former) const {
  auto* issuer = parts_->certificate.get();
  const x509::revocation_list list{X509_CRL_new()};
  const auto begin = x509::to_moment(whole_seconds(from));
  const auto number = next_number(former, from);
  if (!list || !begin || !number
      || X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) != 1
      || X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer))
           != 1
      || X509_CRL_set1_lastUpdate(list.get(), begin.get()) != 1
      || X509_CRL_set1_nextUpdate(list.get(), X509_get0_notAfter(issuer)) != 1
      || !std::all_of(revoked.begin(), revoked.end(),
                      [&](const revocation& one) {
                        return add_revocation(list.get(), one);
                      })
      || X509_CRL_sort(list.get()) != 1
      || !add_list_extensions(list.get(), issuer, number.get())
      || X509_CRL_sign(list.get(), parts_->key.get(), nullptr) == 0)
    return tl::unexpected(failure("Cannot make a list of revocations"));
  const x509::bio to{BIO_new(BIO_s_mem())};
  if (PEM_write_bio_X509_CRL(to.get(), list.get()) != 1)
    return tl::unexpected(failure("Cannot write a list of revocations"));
  return x509::to_text(to.get());
}

} // namespace weft
