#include "platform/network_certificates.hpp"

#include "platform/network_extensions.hpp"
#include "platform/x509.hpp"
#include "protocol/base/sodium.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/time_text.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace weft {

namespace {

using sodium::raw;

// -- what a certificate is made of --------------------------------------------

x509::distinguished_name name_of(const certificate_contents& contents) {
  return std::visit(
    [&](const auto& each) {
      // No unit of control's, which are called "weft ROLE".
      return x509::make_name({{"O", "weft network " + to_string(each.network)},
                              {"OU", role_of(contents)},
                              {"CN", each.name}});
    },
    contents);
}

const network_id& network_of(const certificate_contents& contents) {
  return std::visit(
    [](const auto& each) -> const network_id& { return each.network; },
    contents);
}

const std::string& own_name(const certificate_contents& contents) {
  return std::visit(
    [](const auto& each) -> const std::string& { return each.name; }, contents);
}

// -- writing ------------------------------------------------------------------

/// All that stands in a certificate.
struct parts {
  const ASN1_INTEGER* serial = nullptr;
  const X509_NAME* issuer = nullptr;
  const certificate_contents* contents = nullptr;
  verifying_key key;
  network_validity valid;
  /// The signer's key; none: it is its own.
  std::optional<key_identifier> authority{};
};

/// As X509_set_pubkey() does with a key of Ed25519, in a fortieth of the time.
bool put_key(X509* to, const verifying_key& key) {
  const auto size = key.bytes.size();
  auto* copy
    = static_cast<unsigned char*>(OPENSSL_memdup(key.bytes.data(), size));
  if (copy != nullptr
      && X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(to),
                                OBJ_nid2obj(NID_ED25519), V_ASN1_UNDEF, nullptr,
                                copy, static_cast<int>(size))
           == 1)
    return true; // the certificate owns it now
  OPENSSL_free(copy);
  return false;
}

/// Null: there is no memory.
x509::certificate make_unsigned(const parts& of) {
  const auto subject = name_of(*of.contents);
  if (!subject)
    return {};
  auto made = x509::make_unsigned({.serial = of.serial,
                                   .issuer = of.issuer,
                                   .subject = subject.get(),
                                   .from = of.valid.from,
                                   .until = of.valid.until});
  if (!made || !put_key(made.get(), of.key))
    return {};
  for (const auto& each :
       network_extensions(*of.contents, of.key, of.authority)) {
    if (!each || X509_add_ext(made.get(), each.get(), -1) != 1)
      return {};
  }
  return made;
}

/// The DER of a certificate of these parts with a signature of Ed25519 that
/// was made elsewhere.
byte_vector write_signed(const parts& of, const ASN1_BIT_STRING* signature) {
  const auto made = make_unsigned(of);
  if (!made)
    return {};
  const ASN1_BIT_STRING* own_signature = nullptr;
  const X509_ALGOR* outside = nullptr;
  X509_get0_signature(&own_signature, &outside, made.get());
  // They are this certificate's own, but OpenSSL has no other way to them.
  for (const auto* algorithm : {outside, X509_get0_tbs_sigalg(made.get())}) {
    if (X509_ALGOR_set0(const_cast<X509_ALGOR*>(algorithm),
                        OBJ_nid2obj(NID_ED25519), V_ASN1_UNDEF, nullptr)
        != 1)
      return {};
  }
  auto* const to = const_cast<ASN1_BIT_STRING*>(own_signature);
  if (ASN1_STRING_set(to, ASN1_STRING_get0_data(signature),
                      ASN1_STRING_length(signature))
      != 1)
    return {};
  // No bit at the end is left out (RFC 5280, section 4.1.1.3).
  to->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07L);
  to->flags |= ASN1_STRING_FLAG_BITS_LEFT;
  return x509::to_der(made.get());
}

// -- reading ------------------------------------------------------------------

tl::unexpected<refused> malformed(std::string what) {
  return refuse(refusal::malformed, std::move(what));
}

tl::unexpected<refused> badly_signed(const std::string& by_whom) {
  return refuse(refusal::bad_signature,
                "the certificate is not signed by " + by_whom);
}

std::optional<verifying_key> key_of(const X509* of) {
  const auto* key = X509_get0_pubkey(of);
  verifying_key found;
  std::size_t size = found.bytes.size();
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519
      || EVP_PKEY_get_raw_public_key(key, raw(found.bytes.data()), &size) != 1
      || size != found.bytes.size())
    return std::nullopt;
  return found;
}

std::optional<network_validity> validity_of(const X509* of) {
  const auto from = x509::seconds_of(X509_get0_notBefore(of));
  const auto until = x509::seconds_of(X509_get0_notAfter(of));
  if (!from || !until || *from < network_time{} || *from >= *until
      || *until > latest_network_time)
    return std::nullopt;
  return network_validity{*from, *until};
}

/// Nothing: there is none, or it is not like ours.
std::optional<key_identifier> authority_of(X509* of) {
  const auto* value = X509_get0_authority_key_id(of);
  key_identifier id{};
  if (value == nullptr
      || ASN1_STRING_length(value) != static_cast<int>(id.size()))
    return std::nullopt;
  std::memcpy(id.data(), ASN1_STRING_get0_data(value), id.size());
  return id;
}

bool has_serial_like_ours(const X509* of) {
  const auto* serial = X509_get0_serialNumber(of);
  return ASN1_STRING_type(serial) == V_ASN1_INTEGER
         && ASN1_STRING_length(serial) == 16
         && (ASN1_STRING_get0_data(serial)[0] & 0xc0U) == 0x40U;
}

byte_vector signed_part(X509* of) {
  unsigned char* bytes = nullptr;
  const int size = i2d_re_X509_tbs(of, &bytes);
  if (size <= 0)
    return {};
  const auto all
    = std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)));
  byte_vector copy(all.begin(), all.end());
  OPENSSL_free(bytes);
  return copy;
}

/// As X509_verify() does, by the one verification that all signatures of a
/// network go through, and in half the time.
bool is_signed_with(X509* certificate, const verifying_key& key) {
  const ASN1_BIT_STRING* bits_of = nullptr;
  X509_get0_signature(&bits_of, nullptr, certificate);
  signature given{};
  if (ASN1_STRING_length(bits_of) != static_cast<int>(given.size()))
    return false;
  std::memcpy(given.data(), ASN1_STRING_get0_data(bits_of), given.size());
  const auto content = signed_part(certificate);
  return !content.empty() && verify(key, content, given);
}

/// What parse() has found to be as it would be written.
struct parsed_certificate {
  x509::certificate certificate;
  network_certificate says;
};

/// What is read is written again: the one text that there is for it must be
/// the one that was read.
accepted<parsed_certificate> parse(const_byte_span der) {
  if (der.size() > most_certificate_bytes)
    return malformed("a certificate of more than "
                     + std::to_string(most_certificate_bytes) + " bytes");
  auto certificate = x509::parse_der(der);
  if (!certificate)
    return malformed("the certificate is damaged");
  auto contents = read_uris(uris_of(certificate.get()));
  const auto key = key_of(certificate.get());
  const auto valid = validity_of(certificate.get());
  const auto authority = authority_of(certificate.get());
  ERR_clear_error();
  if (!contents)
    return tl::unexpected(std::move(contents.error()));
  if (!key)
    return malformed("the certificate's key is none of Ed25519");
  if (!valid)
    return malformed("the certificate's times are none");
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, nullptr, certificate.get());
  const auto written
    = write_signed({.serial = X509_get0_serialNumber(certificate.get()),
                    .issuer = X509_get_issuer_name(certificate.get()),
                    .contents = &*contents,
                    .key = *key,
                    .valid = *valid,
                    .authority = authority},
                   signature);
  ERR_clear_error();
  const bool is_root = std::holds_alternative<root_contents>(*contents);
  if (!std::equal(der.begin(), der.end(), written.begin(), written.end())
      || !has_serial_like_ours(certificate.get())
      || is_root == authority.has_value())
    return malformed("the certificate of a " + std::string{role_of(*contents)}
                     + " has not the one form that there is for it");
  if (is_root && !is_signed_with(certificate.get(), *key))
    return badly_signed("itself, as a root's is");
  network_certificate says{byte_vector(der.begin(), der.end()),
                           std::move(*contents), *key, valid->from,
                           valid->until};
  return parsed_certificate{std::move(certificate), std::move(says)};
}

bool names_as_issuer(X509* certificate, const network_certificate& by) {
  const auto name = name_of(by.contents);
  // Written once: X509_NAME_cmp() does not tell upper from lower case.
  const auto der_of = [](const X509_NAME* of) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (of == nullptr || X509_NAME_get0_der(of, &bytes, &size) != 1)
      return const_byte_span{};
    return std::as_bytes(std::span(bytes, size));
  };
  const auto wanted = der_of(name.get());
  const auto found = der_of(X509_get_issuer_name(certificate));
  return !wanted.empty()
         && std::equal(wanted.begin(), wanted.end(), found.begin(), found.end())
         && authority_of(certificate) == identify(by.key);
}

/// Reads one that `by` has signed.
accepted<network_certificate>
read_signed(const_byte_span der, const network_certificate& by) {
  auto parsed = parse(der);
  if (!parsed)
    return tl::unexpected(std::move(parsed.error()));
  auto& [certificate, says] = *parsed;
  if (network_of(says.contents) != network_of(by.contents))
    return refuse(refusal::wrong_network,
                  "the certificate is of network "
                    + to_string(network_of(says.contents)) + ", not of "
                    + to_string(network_of(by.contents)));
  if (!names_as_issuer(certificate.get(), by)
      || !is_signed_with(certificate.get(), by.key))
    return badly_signed(std::string{"the "} + std::string{role_of(by.contents)}
                        + " '" + own_name(by.contents) + "'");
  return std::move(says);
}

template <class Contents>
accepted<Contents> contents_as(const network_certificate& certificate) {
  const auto* found = std::get_if<Contents>(&certificate.contents);
  if (found == nullptr)
    return refuse(refusal::wrong_role,
                  "the certificate is of the role "
                    + std::string{role_of(certificate.contents)} + ", not of "
                    + std::string{role_of(certificate_contents{Contents{}})});
  return *found;
}

std::optional<refused>
find_untimely(const network_certificate& what, network_time at) {
  const auto whose = "the certificate of " + std::string{role_of(what.contents)}
                     + " '" + own_name(what.contents) + "'";
  const auto times = [at](network_time limit) {
    return format_time(limit) + ", and by the clock here it is "
           + format_time(at) + " (UTC)";
  };
  if (at < what.from)
    return refused{refusal::not_yet_valid,
                   whose + " holds only from " + times(what.from)};
  if (at >= what.until)
    return refused{refusal::expired,
                   whose + " has expired: it held until " + times(what.until)};
  return std::nullopt;
}

// -- making -------------------------------------------------------------------

result<network_certificate>
sign_and_read(const parts& what, const signing_seed& seed) {
  ERR_clear_error();
  const auto made = make_unsigned(what);
  const auto key = x509::signing_key(seed);
  if (!made || !key || X509_sign(made.get(), key.get(), nullptr) == 0)
    return tl::unexpected(x509::failure("Cannot make a certificate"));
  auto read = read_network_certificate(x509::to_der(made.get()));
  if (!read)
    return tl::unexpected(
      make_system_error(0, "Cannot make a certificate: " + read.error().what));
  return std::move(*read);
}

tl::unexpected<system_error> cannot_make(const std::string& why) {
  return tl::unexpected(
    make_system_error(0, "Cannot make a certificate: " + why));
}

/// Why a signer cannot sign such contents; nothing: it can.
std::optional<std::string>
find_obstacle(const certificate_contents& contents, const network_signer& by) {
  if (const auto wrong = find_mistake(contents))
    return wrong->what;
  if (derive_verifying_key(by.seed) != by.certificate.key)
    return "the signer's key does not belong to its certificate";
  const auto* root = std::get_if<root_contents>(&by.certificate.contents);
  if (const auto* issuer = std::get_if<issuer_contents>(&contents)) {
    if (root == nullptr)
      return "only a root signs an issuer's";
    if (const auto wrong = find_breach(*root, *issuer))
      return wrong->what;
    return std::nullopt;
  }
  if (std::holds_alternative<root_contents>(contents))
    return "a root's is signed by itself";
  if (!std::holds_alternative<issuer_contents>(by.certificate.contents))
    return "only an issuer signs those of members and directories";
  if (network_of(contents) != network_of(by.certificate.contents))
    return "it would be of another network than the issuer's";
  return std::nullopt;
}

} // namespace

// -- reading and verifying ----------------------------------------------------

accepted<network_certificate> read_network_certificate(const_byte_span der) {
  return parse(der).map(
    [](parsed_certificate&& parsed) { return std::move(parsed.says); });
}

sha256_digest fingerprint_of(const network_certificate& certificate) {
  return sha256({certificate.der});
}

accepted<verified_issuer>
verify_issuer(const network_certificate& root, const_byte_span issuer,
              network_time at) {
  const auto authority = contents_as<root_contents>(root);
  if (!authority)
    return tl::unexpected(authority.error());
  if (auto wrong = find_untimely(root, at))
    return tl::unexpected(std::move(*wrong));
  const auto read = read_signed(issuer, root);
  if (!read)
    return tl::unexpected(read.error());
  auto contents = contents_as<issuer_contents>(*read);
  if (!contents)
    return tl::unexpected(std::move(contents.error()));
  if (auto wrong = find_breach(*authority, *contents))
    return tl::unexpected(std::move(*wrong));
  return verified_issuer{std::move(*contents), read->key, read->from,
                         read->until};
}

accepted<network_certificate>
verify_issued(const network_certificate& issuer, const_byte_span der) {
  if (const auto who = contents_as<issuer_contents>(issuer); !who)
    return tl::unexpected(who.error());
  auto read = read_signed(der, issuer);
  if (read && !std::holds_alternative<member_contents>(read->contents)
      && !std::holds_alternative<directory_contents>(read->contents))
    return refuse(refusal::wrong_role,
                  "an issuer signs certificates of members and directories, "
                  "not of the role "
                    + std::string{role_of(read->contents)});
  return read;
}

accepted<verified_certificate> to_verified(const network_certificate& member,
                                           const network_certificate& issuer) {
  auto contents = contents_as<member_contents>(member);
  if (!contents)
    return tl::unexpected(std::move(contents.error()));
  return verified_certificate{std::move(*contents), member.key,
                              own_name(issuer.contents), member.from,
                              member.until};
}

accepted<network_certificate>
verify_chain(const network_certificate& root,
             std::span<const byte_vector> chain, network_time at) {
  if (chain.size() != 2)
    return malformed("a chain of " + std::to_string(chain.size())
                     + " certificates, where there are two below the root");
  const auto issuer = verify_issuer(root, chain[1], at);
  if (!issuer)
    return tl::unexpected(issuer.error());
  const network_certificate by{chain[1], issuer->contents, issuer->key,
                               issuer->from, issuer->until};
  if (auto wrong = find_untimely(by, at))
    return tl::unexpected(std::move(*wrong));
  auto leaf = verify_issued(by, chain[0]);
  if (!leaf)
    return leaf;
  if (auto wrong = find_untimely(*leaf, at))
    return tl::unexpected(std::move(*wrong));
  const auto* member = std::get_if<member_contents>(&leaf->contents);
  if (member != nullptr) {
    const auto& authority = std::get<root_contents>(root.contents);
    if (auto wrong = find_breach(authority, issuer->contents, *member))
      return tl::unexpected(std::move(*wrong));
  }
  return leaf;
}

// -- making -------------------------------------------------------------------

result<network_certificate>
make_root_certificate(const root_contents& contents, const signing_seed& seed,
                      const network_validity& valid) {
  const certificate_contents all{contents};
  if (const auto wrong = find_mistake(all))
    return cannot_make(wrong->what);
  // A network has one root, and so the network's number will do.
  const auto serial = x509::make_serial(contents.network.bytes);
  const auto name = name_of(all);
  if (!serial || !name)
    return tl::unexpected(x509::failure("Cannot make a certificate"));
  return sign_and_read({.serial = serial.get(),
                        .issuer = name.get(),
                        .contents = &all,
                        .key = derive_verifying_key(seed),
                        .valid = valid},
                       seed);
}

result<network_certificate>
make_network_certificate(const certificate_contents& contents,
                         const verifying_key& key,
                         const network_validity& valid,
                         const network_signer& by, random_source& random) {
  if (const auto obstacle = find_obstacle(contents, by))
    return cannot_make(*obstacle);
  byte_array<16> drawn{};
  random.fill(drawn);
  const auto serial = x509::make_serial(drawn);
  const auto name = name_of(by.certificate.contents);
  if (!serial || !name)
    return tl::unexpected(x509::failure("Cannot make a certificate"));
  return sign_and_read(
    {.serial = serial.get(),
     .issuer = name.get(),
     .contents = &contents,
     .key = key,
     .valid = {valid.from, std::min(valid.until, by.certificate.until)},
     .authority = identify(by.certificate.key)},
    by.seed);
}

// -- PEM ----------------------------------------------------------------------

std::string to_pem(std::span<const byte_vector> certificates) {
  const x509::bio to{BIO_new(BIO_s_mem())};
  for (const auto& each : certificates)
    PEM_write_bio(to.get(), PEM_STRING_X509, "", raw(each.data()),
                  static_cast<long>(each.size()));
  return x509::to_text(to.get());
}

result<std::vector<byte_vector>>
read_pem_certificates(std::string_view text, const std::string& what) {
  const auto parsed = x509::parse_certificates(text, what);
  if (!parsed)
    return tl::unexpected(parsed.error());
  std::vector<byte_vector> all;
  for (const auto& each : *parsed)
    all.push_back(x509::to_der(each.get()));
  return all;
}

result<secret_text> to_pem(const signing_seed& seed) {
  const auto key = x509::signing_key(seed);
  if (!key)
    return tl::unexpected(x509::failure("Cannot write a private key"));
  return x509::to_pem(key.get());
}

result<signing_seed>
read_pem_seed(std::string_view text, const std::string& what) {
  const auto key = x509::parse_key(text, what);
  if (!key)
    return tl::unexpected(key.error());
  signing_seed seed;
  std::size_t size = signing_seed::size;
  if (EVP_PKEY_get_base_id(key->get()) != EVP_PKEY_ED25519
      || EVP_PKEY_get_raw_private_key(key->get(), raw(seed.data()), &size) != 1
      || size != signing_seed::size) {
    ERR_clear_error();
    return tl::unexpected(make_system_error(
      0, what + " is no key of Ed25519, which a network's are"));
  }
  return seed;
}

} // namespace weft
