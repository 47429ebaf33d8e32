#include "platform/network_extensions.hpp"

#include "protocol/base/sodium.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <span>

namespace weft {

namespace {

using sodium::raw;

using octets = x509::handle<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using bits = x509::handle<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using constraints = x509::handle<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using usages = x509::handle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
using authority_id = x509::handle<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using general_name = x509::handle<GENERAL_NAME, GENERAL_NAME_free>;
using general_names = x509::handle<GENERAL_NAMES, GENERAL_NAMES_free>;

// Bits of keyUsage, as ASN1_BIT_STRING_set_bit() counts them.
constexpr int digital_signature = 0;
constexpr int signs_certificates = 5;

/// What a role may do.
struct powers {
  /// How many authorities may follow below; nothing: it is none itself.
  std::optional<long> authorities_below;
  int key_usage = digital_signature;
  int purpose = NID_undef; ///< extendedKeyUsage; NID_undef: does not have it
};

powers powers_of(const certificate_contents& contents) {
  if (std::holds_alternative<root_contents>(contents))
    return {1, signs_certificates, NID_undef};
  if (std::holds_alternative<issuer_contents>(contents))
    return {0, signs_certificates, NID_undef};
  if (std::holds_alternative<directory_contents>(contents))
    return {std::nullopt, digital_signature, NID_server_auth};
  return {std::nullopt, digital_signature, NID_client_auth};
}

enum class importance : int { ordinary = 0, critical = 1 };

x509::extension make_extension(int kind, importance how, void* value) {
  if (value == nullptr)
    return {};
  return x509::extension{X509V3_EXT_i2d(kind, static_cast<int>(how), value)};
}

x509::extension basic_constraints(const powers& what) {
  const constraints value{BASIC_CONSTRAINTS_new()};
  if (value && what.authorities_below) {
    value->ca = 0xff; // TRUE in DER
    value->pathlen = ASN1_INTEGER_new();
    if (value->pathlen == nullptr
        || ASN1_INTEGER_set(value->pathlen, *what.authorities_below) != 1)
      return {};
  }
  return make_extension(NID_basic_constraints, importance::critical,
                        value.get());
}

x509::extension key_usage(const powers& what) {
  const bits value{ASN1_BIT_STRING_new()};
  if (!value || ASN1_BIT_STRING_set_bit(value.get(), what.key_usage, 1) != 1)
    return {};
  return make_extension(NID_key_usage, importance::critical, value.get());
}

x509::extension extended_key_usage(const powers& what) {
  const usages value{EXTENDED_KEY_USAGE_new()};
  if (!value
      || sk_ASN1_OBJECT_push(value.get(), OBJ_nid2obj(what.purpose)) <= 0)
    return {};
  return make_extension(NID_ext_key_usage, importance::ordinary, value.get());
}

general_name uri(const std::string& text) {
  general_name made{GENERAL_NAME_new()};
  auto* value = made ? ASN1_IA5STRING_new() : nullptr;
  if (value == nullptr)
    return {};
  GENERAL_NAME_set0_value(made.get(), GEN_URI, value); // which owns it now
  if (ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1)
    return {};
  return made;
}

x509::extension alternative_names(const certificate_contents& contents) {
  const general_names all{GENERAL_NAMES_new()};
  for (const auto& text : to_uris(contents)) {
    auto one = uri(text);
    if (!all || !one || sk_GENERAL_NAME_push(all.get(), one.get()) <= 0)
      return {};
    [[maybe_unused]] auto* owned_by_list = one.release();
  }
  return make_extension(NID_subject_alt_name, importance::ordinary, all.get());
}

octets to_octets(const key_identifier& id) {
  octets made{ASN1_OCTET_STRING_new()};
  if (made
      && ASN1_OCTET_STRING_set(made.get(), raw(id.data()),
                               static_cast<int>(id.size()))
           != 1)
    made.reset();
  return made;
}

x509::extension subject_key(const verifying_key& key) {
  const auto value = to_octets(identify(key));
  return make_extension(NID_subject_key_identifier, importance::ordinary,
                        value.get());
}

x509::extension authority_key(const key_identifier& id) {
  const authority_id value{AUTHORITY_KEYID_new()};
  if (!value)
    return {};
  value->keyid = to_octets(id).release();
  if (value->keyid == nullptr)
    return {};
  return make_extension(NID_authority_key_identifier, importance::ordinary,
                        value.get());
}

} // namespace

key_identifier identify(const verifying_key& key) {
  const auto digest = sha256({key.bytes});
  key_identifier id{};
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

std::vector<x509::extension>
network_extensions(const certificate_contents& contents,
                   const verifying_key& key,
                   const std::optional<key_identifier>& authority) {
  const auto what = powers_of(contents);
  std::vector<x509::extension> all;
  all.push_back(basic_constraints(what));
  all.push_back(key_usage(what));
  if (what.purpose != NID_undef)
    all.push_back(extended_key_usage(what));
  all.push_back(alternative_names(contents));
  all.push_back(subject_key(key));
  if (authority)
    all.push_back(authority_key(*authority));
  return all;
}

std::vector<std::string> uris_of(const X509* of) {
  const general_names all{static_cast<GENERAL_NAMES*>(
    X509_get_ext_d2i(of, NID_subject_alt_name, nullptr, nullptr))};
  std::vector<std::string> uris;
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    int kind = 0;
    const auto* value
      = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &kind);
    auto& text = uris.emplace_back();
    if (kind != GEN_URI)
      continue;
    const auto* found = static_cast<const ASN1_STRING*>(value);
    const std::span bytes{ASN1_STRING_get0_data(found),
                          static_cast<std::size_t>(ASN1_STRING_length(found))};
    text.assign(bytes.begin(), bytes.end());
  }
  return uris;
}

} // namespace weft
