// A network's root, issuer, and what they sign, for tests: all made anew, none
// of it in a file.
#pragma once

#include "platform/network_certificates.hpp"
#include "platform/random.hpp"
#include "tests/must.hpp"
#include "tests/platform/support.hpp"

#include <string>
#include <vector>

namespace weft::test {

/// Why something was refused; fails if it was not.
template <class T>
refusal reason_of(const accepted<T>& what) {
  REQUIRE_FALSE(what);
  INFO(what.error().what);
  CHECK_FALSE(what.error().what.empty());
  return what.error().why;
}

/// A certificate with its key, and the chain that its owner shows.
struct network_holder {
  network_certificate certificate;
  signing_seed seed;
  std::vector<byte_vector> chain;
};

class network_pki {
public:
  static constexpr network_time now{std::chrono::seconds{1'800'000'000}};
  static constexpr network_validity year{now - std::chrono::hours{1},
                                         now + std::chrono::hours{24 * 365}};
  static constexpr network_validity past{now - std::chrono::hours{48},
                                         now - std::chrono::hours{24}};

  explicit network_pki(const std::string& name = "prod")
    : root(make_root(name)), issuer(make_issuer("main")) {
  }

  network_signer
  make_issuer(const std::string& name, const network_validity& valid = year) {
    const issuer_contents contents{network, name, ranges};
    auto seed = draw_signing_seed(random);
    auto made = must(make_network_certificate(
      contents, derive_verifying_key(seed), valid, root, random));
    return {std::move(made), seed};
  }

  member_contents member_named(const std::string& name) {
    member_contents contents;
    contents.network = network;
    contents.name = name;
    contents.id = member_id::draw(random);
    random.fill(contents.key.bytes);
    contents.prefixes = {prefix("10.200.0.16/28")};
    contents.groups = {"web"};
    contents.allocation = 3;
    return contents;
  }
  network_holder
  member(const std::string& name, const network_validity& valid = year) {
    return issue(member_named(name), valid);
  }
  network_holder
  directory(const std::string& name, const network_validity& valid = year) {
    return issue(directory_contents{network, name}, valid);
  }
  network_holder issue(const certificate_contents& contents,
                       const network_validity& valid = year) {
    const auto seed = draw_signing_seed(random);
    auto made = must(make_network_certificate(
      contents, derive_verifying_key(seed), valid, issuer, random));
    std::vector<byte_vector> chain{made.der, issuer.certificate.der};
    return {std::move(made), seed, std::move(chain)};
  }

  system_random random;
  network_id network = network_id::draw(random);
  std::vector<ip_prefix> ranges{prefix("10.200.0.0/16"),
                                prefix("fd00:200::/48")};
  network_signer root;
  network_signer issuer;

private:
  network_signer make_root(const std::string& name) {
    const auto seed = draw_signing_seed(random);
    const root_contents contents{network, name, ranges, 28, 64};
    return {must(make_root_certificate(contents, seed, year)), seed};
  }
};

} // namespace weft::test
