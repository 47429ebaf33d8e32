#include "platform/certificates.hpp"
#include "platform/x509.hpp"
#include "protocol/network/join_answer.hpp"
#include "tests/platform/network_pki.hpp"

#include <openssl/x509v3.h>

#include <functional>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

constexpr auto now = network_pki::now;

/// The certificate with something of it changed, signed again with `seed`.
byte_vector with_change(const network_certificate& of, const signing_seed& seed,
                        const std::function<void(X509*)>& change) {
  const auto parsed = x509::parse_der(of.der);
  REQUIRE(parsed);
  change(parsed.get());
  REQUIRE(X509_sign(parsed.get(), x509::signing_key(seed).get(), nullptr) > 0);
  return x509::to_der(parsed.get());
}

void add_text_extension(X509* to, int kind, const char* value) {
  const x509::extension made{
    X509V3_EXT_conf_nid(nullptr, nullptr, kind, value)};
  REQUIRE(made);
  REQUIRE(X509_add_ext(to, made.get(), -1) == 1);
}

void remove_extension(X509* from, int kind) {
  const x509::extension removed{
    X509_delete_ext(from, X509_get_ext_by_NID(from, kind, -1))};
  REQUIRE(removed);
}

} // namespace

TEST_CASE("a network's certificate says what it was made for") {
  network_pki pki;
  const auto contents = pki.member_named("alpha");
  const auto made = pki.issue(contents);
  const auto read = must(read_network_certificate(made.certificate.der));
  CHECK(read.contents == certificate_contents{contents});
  CHECK(read.key == derive_verifying_key(made.seed));
  CHECK(read.from == network_pki::year.from);
  CHECK(read.until == network_pki::year.until);
  CHECK(read.der == made.certificate.der);
}

TEST_CASE("the largest member's certificate has room in its bounds") {
  network_pki pki;
  auto contents = pki.member_named(std::string(32, 'z'));
  contents.prefixes.clear();
  contents.groups.clear();
  for (int i = 0; i < 16; ++i) {
    const std::string digit(1, "0123456789abcdef"[i]);
    contents.prefixes.push_back(
      prefix("fd00:200:0:111" + digit + ":1111:1111:1111:1111/128"));
    contents.groups.insert(digit + std::string(31, 'g'));
  }
  contents.generation = contents.revocation = contents.allocation
    = std::uint64_t(-1);
  const auto made = pki.issue(contents);
  CHECK(made.certificate.der.size() <= most_certificate_bytes);
}

TEST_CASE("a chain holds under the root that signed it, while it lasts") {
  network_pki pki;
  const auto alpha = pki.member("alpha");
  const auto hq = pki.directory("hq");
  const auto& root = pki.root.certificate;
  CHECK(must(verify_chain(root, alpha.chain, now)).contents
        == alpha.certificate.contents);
  CHECK(must(verify_chain(root, hq.chain, now)).contents
        == hq.certificate.contents);
  const auto begin = alpha.certificate.from;
  const auto end = alpha.certificate.until;
  using std::chrono::seconds;
  CHECK(verify_chain(root, alpha.chain, begin));
  CHECK(reason_of(verify_chain(root, alpha.chain, begin - seconds{1}))
        == refusal::not_yet_valid);
  CHECK(verify_chain(root, alpha.chain, end - seconds{1}));
  CHECK(reason_of(verify_chain(root, alpha.chain, end)) == refusal::expired);
}

TEST_CASE("an expired leaf or issuer is refused under a root that holds") {
  network_pki pki;
  const auto& root = pki.root.certificate;
  const auto old = pki.member("old", network_pki::past);
  CHECK(reason_of(verify_chain(root, old.chain, now)) == refusal::expired);
  const network_validity soon{now - std::chrono::hours{1},
                              now + std::chrono::hours{1}};
  pki.issuer = pki.make_issuer("brief", soon);
  const auto alpha = pki.member("alpha");
  CHECK(alpha.certificate.until == soon.until); // no longer than its signer
  CHECK(verify_chain(root, alpha.chain, now));
  CHECK(verify_issuer(root, alpha.chain[1], now + std::chrono::hours{2}));
  CHECK(reason_of(verify_chain(root, alpha.chain, now + std::chrono::hours{2}))
        == refusal::expired);
  CHECK(reason_of(verify_issuer(root, alpha.chain[1], root.until))
        == refusal::expired);
}

TEST_CASE("what another network's root or issuer signed is refused") {
  network_pki ours;
  network_pki theirs;
  const auto alpha = theirs.member("alpha");
  CHECK(reason_of(verify_chain(ours.root.certificate, alpha.chain, now))
        == refusal::wrong_network);
  // The same network id and names, and other keys.
  network_pki forger("prod");
  forger.network = ours.network;
  forger.root.certificate
    = must(make_root_certificate({ours.network, "prod", ours.ranges, 28, 64},
                                 forger.root.seed, network_pki::year));
  forger.issuer = forger.make_issuer("main");
  const auto forged = forger.member("alpha");
  CHECK(verify_chain(forger.root.certificate, forged.chain, now));
  CHECK(reason_of(verify_chain(ours.root.certificate, forged.chain, now))
        == refusal::bad_signature);
  const std::vector<byte_vector> mixed{forged.chain[0],
                                       ours.issuer.certificate.der};
  CHECK(reason_of(verify_chain(ours.root.certificate, mixed, now))
        == refusal::bad_signature);
  CHECK(fingerprint_of(ours.root.certificate)
        != fingerprint_of(forger.root.certificate));
}

TEST_CASE("a chain is a leaf and its issuer, and nothing else") {
  network_pki pki;
  const auto& root = pki.root.certificate;
  const auto& issuer = pki.issuer.certificate;
  const auto alpha = pki.member("alpha");
  const auto leaf = alpha.chain[0];
  using chain = std::vector<byte_vector>;
  CHECK(reason_of(verify_chain(root, chain{}, now)) == refusal::malformed);
  CHECK(reason_of(verify_chain(root, chain{leaf}, now)) == refusal::malformed);
  CHECK(reason_of(verify_chain(root, chain{leaf, issuer.der, root.der}, now))
        == refusal::malformed);
  CHECK(reason_of(verify_chain(root, chain{issuer.der, leaf}, now))
        == refusal::bad_signature);
  CHECK(reason_of(verify_chain(root, chain{issuer.der, root.der}, now))
        == refusal::bad_signature);
  CHECK(reason_of(verify_chain(alpha.certificate, alpha.chain, now))
        == refusal::wrong_role);
}

TEST_CASE("only a root signs issuers, and only an issuer the others") {
  network_pki pki;
  const auto alpha = pki.member("alpha");
  const auto key = derive_verifying_key(alpha.seed);
  const issuer_contents another{pki.network, "another", pki.ranges};
  const network_signer member{alpha.certificate, alpha.seed};
  const auto sign
    = [&](const certificate_contents& what, const network_signer& by) {
        return make_network_certificate(what, key, network_pki::year, by,
                                        pki.random);
      };
  CHECK_FALSE(sign(another, pki.issuer));
  CHECK_FALSE(sign(another, member));
  CHECK_FALSE(sign(pki.member_named("beta"), pki.root));
  CHECK_FALSE(sign(pki.member_named("beta"), member));
  CHECK_FALSE(sign(pki.root.certificate.contents, pki.root));
  CHECK_FALSE(
    sign(directory_contents{network_id::draw(pki.random), "hq"}, pki.issuer));
  const network_signer other_key{pki.issuer.certificate, alpha.seed};
  CHECK_FALSE(sign(directory_contents{pki.network, "hq"}, other_key));
  issuer_contents wider = another;
  wider.ranges = {prefix("10.0.0.0/8")};
  CHECK_FALSE(sign(wider, pki.root));
}

TEST_CASE("a member's prefixes lie in its issuer's ranges") {
  network_pki pki;
  auto contents = pki.member_named("alpha");
  contents.prefixes = {prefix("192.168.0.0/24")};
  const auto made = pki.issue(contents);
  CHECK(reason_of(verify_chain(pki.root.certificate, made.chain, now))
        == refusal::outside_ranges);
  // Whose own file accepts it judges by itself.
  CHECK(verify_issued(pki.issuer.certificate, made.chain[0]));
}

TEST_CASE("the view gets members' certificates, and no others") {
  network_pki pki;
  const auto alpha = pki.member("alpha");
  const auto hq = pki.directory("hq");
  const auto& issuer = pki.issuer.certificate;
  const auto verified = must(to_verified(alpha.certificate, issuer));
  CHECK(verified.issuer == "main");
  CHECK(verified.key == alpha.certificate.key);
  CHECK(verified.contents.name == "alpha");
  CHECK(reason_of(to_verified(hq.certificate, issuer)) == refusal::wrong_role);
  const auto known = must(verify_issuer(pki.root.certificate, issuer.der, now));
  CHECK(known.contents.name == "main");
  CHECK(known.key == issuer.key);
  CHECK(reason_of(
          verify_issuer(pki.root.certificate, pki.root.certificate.der, now))
        == refusal::bad_signature);
}

TEST_CASE("whatever is not in the one form that a certificate has is refused") {
  network_pki pki;
  const auto alpha = pki.member("alpha");
  const auto change = [&](const std::function<void(X509*)>& how) {
    return read_network_certificate(
      with_change(alpha.certificate, pki.issuer.seed, how));
  };
  CHECK(change([](X509*) {})); // Ed25519 signs alike twice
  CHECK(reason_of(change([](X509* it) {
          add_text_extension(it, NID_netscape_comment, "hello");
        }))
        == refusal::malformed);
  CHECK(reason_of(change([](X509* it) {
          remove_extension(it, NID_ext_key_usage);
          add_text_extension(it, NID_ext_key_usage, "serverAuth");
        }))
        == refusal::malformed);
  CHECK(reason_of(change([](X509* it) {
          remove_extension(it, NID_basic_constraints);
          add_text_extension(it, NID_basic_constraints, "critical,CA:TRUE");
        }))
        == refusal::malformed);
  CHECK(reason_of(change([](X509* it) { remove_extension(it, NID_key_usage); }))
        == refusal::malformed);
  CHECK(reason_of(change(
          [](X509* it) { remove_extension(it, NID_authority_key_identifier); }))
        == refusal::malformed);
  CHECK(reason_of(
          change([](X509* it) { remove_extension(it, NID_subject_alt_name); }))
        == refusal::wrong_role);
  CHECK(reason_of(change([](X509* it) {
          remove_extension(it, NID_subject_alt_name);
          add_text_extension(it, NID_subject_alt_name,
                             "DNS:localhost,URI:weft:1:member");
        }))
        == refusal::wrong_role);
  CHECK(reason_of(change(
          [](X509* it) { ASN1_INTEGER_set(X509_get_serialNumber(it), 7); }))
        == refusal::malformed);
  CHECK(reason_of(change([](X509* it) {
          X509_NAME_add_entry_by_txt(
            X509_get_subject_name(it), "OU", MBSTRING_ASC,
            reinterpret_cast<const unsigned char*>("weft operate"), -1, -1, 0);
        }))
        == refusal::malformed);
  CHECK(reason_of(change([](X509* it) {
          const x509::key other{EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")};
          X509_set_pubkey(it, other.get());
        }))
        == refusal::malformed);
  CHECK(reason_of(change([](X509* it) {
          ASN1_TIME_set_string(X509_getm_notAfter(it), "20270101000000Z");
        }))
        == refusal::malformed); // GeneralizedTime before 2050
}

TEST_CASE("names of any other kind in the place of URIs are refused") {
  network_pki pki;
  const auto alpha = pki.member("alpha");
  for (const auto* name :
       {"DNS:alpha", "email:a@example.net", "IP:10.0.0.1", "RID:1.2.3.4",
        "otherName:1.2.3.4;UTF8:x", "URI:weft:1:member,URI:weft:1:member"}) {
    INFO(name);
    const auto changed
      = with_change(alpha.certificate, pki.issuer.seed, [&](X509* it) {
          remove_extension(it, NID_subject_alt_name);
          add_text_extension(it, NID_subject_alt_name, name);
        });
    CHECK_FALSE(read_network_certificate(changed));
  }
}

TEST_CASE(
  "bytes that are no certificate, cut ones and longer ones are refused") {
  network_pki pki;
  const auto alpha = pki.member("alpha").certificate.der;
  for (std::size_t size = 0; size < alpha.size(); ++size)
    REQUIRE_FALSE(read_network_certificate(const_byte_span(alpha).first(size)));
  auto longer = alpha;
  longer.push_back(std::byte{0});
  CHECK(reason_of(read_network_certificate(longer)) == refusal::malformed);
  CHECK(
    reason_of(read_network_certificate(byte_vector(most_certificate_bytes + 1)))
    == refusal::malformed);
}

TEST_CASE("a certificate with any bit flipped is not the issuer's") {
  network_pki pki;
  const auto alpha = pki.member("alpha").certificate.der;
  for (std::size_t at = 0; at < alpha.size(); ++at) {
    auto flipped = alpha;
    flipped[at] ^= std::byte{1} << (at % 8);
    INFO(at);
    REQUIRE_FALSE(verify_issued(pki.issuer.certificate, flipped));
  }
}

TEST_CASE("a root that did not sign itself is none") {
  network_pki pki;
  network_pki other;
  const auto forged
    = with_change(pki.root.certificate, other.root.seed, [](X509*) {});
  CHECK(reason_of(read_network_certificate(forged)) == refusal::bad_signature);
}

TEST_CASE("control's certificates are none of a network, nor the reverse") {
  network_pki pki;
  const auto at = [](std::int64_t seconds) {
    return wall_time{std::chrono::seconds{seconds}};
  };
  const validity valid{at(1'700'000'000), at(1'900'000'000)};
  const auto authority = must(certificate_authority::make("prod", valid));
  const auto role = GENERATE(control_role::node, control_role::operate);
  const auto issued = must(authority.issue({"alpha", role, {}, valid}));
  for (const auto& pem : {authority.certificate(), issued.certificate}) {
    const auto der = must(read_pem_certificates(pem));
    REQUIRE(der.size() == 1);
    CHECK(reason_of(read_network_certificate(der[0])) == refusal::wrong_role);
    CHECK(reason_of(
            verify_chain(pki.root.certificate,
                         std::vector{der[0], pki.issuer.certificate.der}, now))
          == refusal::wrong_role);
  }
  const auto alpha = pki.member("alpha");
  const auto hq = pki.directory("hq");
  for (const auto& chain : {alpha.chain, hq.chain}) {
    const auto info = must(read_certificate(to_pem(chain)));
    CHECK_FALSE(info.role);
    CHECK(info.hosts.empty());
  }
}

TEST_CASE("certificates and keys are the same after a file") {
  network_pki pki;
  const auto alpha = pki.member("alpha");
  const auto pem = to_pem(alpha.chain);
  CHECK_THAT(pem, Contains("-----BEGIN CERTIFICATE-----"));
  CHECK(must(read_pem_certificates(pem)) == alpha.chain);
  const auto key = must(to_pem(alpha.seed));
  CHECK(must(read_pem_seed(key.view())) == alpha.seed);

  const auto no_pem = read_pem_certificates("no PEM", "The root r.pem");
  REQUIRE_FALSE(no_pem);
  CHECK_THAT(no_pem.error().message, Contains("The root r.pem"));
  const auto no_key = read_pem_seed(pem, "The key k.pem");
  REQUIRE_FALSE(no_key);
  CHECK_THAT(no_key.error().message, Contains("The key k.pem"));
  const x509::key other{EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")};
  const auto of_another_kind
    = read_pem_seed(must(x509::to_pem(other.get())).view(), "The key k.pem");
  REQUIRE_FALSE(of_another_kind);
  CHECK_THAT(of_another_kind.error().message, Contains("Ed25519"));
}
