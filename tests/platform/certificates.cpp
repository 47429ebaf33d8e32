#include "platform/certificates.hpp"

#include "tests/catch.hpp"

#include <algorithm>

using namespace weft;
using Catch::Contains;

namespace {

constexpr auto year = std::chrono::hours{24 * 365};

wall_time at(std::int64_t seconds) {
  return wall_time{std::chrono::seconds{seconds}};
}

const validity lifetime{at(1'700'000'000), at(1'700'000'000) + 10 * year};

certificate_authority authority(const std::string& name = "hq") {
  auto made = certificate_authority::make(name, lifetime);
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

certificate_request
request(const std::string& name, control_role role = control_role::operate,
        std::vector<std::string> hosts = {}) {
  return {name, role, std::move(hosts), {lifetime.from, lifetime.from + year}};
}

issued_certificate
issue(const certificate_authority& by, const certificate_request& what) {
  auto made = by.issue(what);
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

} // namespace

TEST_CASE("a certificate says what was asked for") {
  const auto hq = authority();
  const auto role
    = GENERATE(control_role::node, control_role::operate, control_role::view);
  const auto made = issue(hq, request("alice", role));
  const auto read = read_certificate(made.certificate);
  REQUIRE(read);
  CHECK(read->name == "alice");
  CHECK(read->role == role);
  CHECK(read->not_before == lifetime.from);
  CHECK(read->not_after == lifetime.from + year);
  CHECK(read->fingerprint.size() == 64);
  CHECK(read->serial == made.info.serial);
  CHECK(read->fingerprint == made.info.fingerprint);
}

TEST_CASE("no two certificates have the same serial number or key") {
  const auto hq = authority();
  const auto first = issue(hq, request("alice"));
  const auto second = issue(hq, request("alice"));
  CHECK(first.info.serial != second.info.serial);
  CHECK(first.info.serial.size() == 32);
  CHECK(first.key.view() != second.key.view());
  CHECK_THAT(std::string{first.key.view()}, Contains("BEGIN PRIVATE KEY"));
}

TEST_CASE("an authority is the same after it was written and read") {
  const auto first = authority("north");
  const auto key = first.key();
  REQUIRE(key);
  const auto again
    = certificate_authority::load(first.certificate(), key->view());
  REQUIRE(again);
  CHECK(again->info().name == "north");
  CHECK(again->info().fingerprint == first.info().fingerprint);
  CHECK(again->info().not_after == lifetime.until);
  CHECK_FALSE(again->info().role);
}

TEST_CASE("what is no authority cannot be loaded as one") {
  const auto hq = authority();
  const auto key = hq.key();
  REQUIRE(key);
  const auto message_of = [](const auto& loaded) {
    REQUIRE_FALSE(loaded);
    return loaded.error().message;
  };
  const auto other = authority().key();
  CHECK_THAT(
    message_of(certificate_authority::load(hq.certificate(), other->view())),
    Contains("does not belong"));
  const auto alice = issue(hq, request("alice"));
  CHECK_THAT(message_of(certificate_authority::load(alice.certificate,
                                                    alice.key.view())),
             Contains("no authority"));
  CHECK_THAT(message_of(certificate_authority::load("nothing", key->view())),
             Contains("-----BEGIN CERTIFICATE-----"));
  CHECK_THAT(message_of(certificate_authority::load(hq.certificate(), "no")),
             Contains("no private key"));
}

TEST_CASE("a damaged certificate is told from a text that is none") {
  auto text = issue(authority(), request("alice")).certificate;
  text.replace(text.size() / 2, 4, "AAAA");
  text.erase(100, 8);
  const auto damaged = read_certificate(text);
  REQUIRE_FALSE(damaged);
  CHECK_THAT(damaged.error().message, Contains("damaged"));
  const auto none = read_certificate("");
  REQUIRE_FALSE(none);
  CHECK_THAT(none.error().message, Contains("holds no PEM"));
}

TEST_CASE("a certificate ends with its authority") {
  const auto hq = authority();
  auto what = request("alice");
  what.valid.until = lifetime.until + year;
  CHECK(issue(hq, what).info.not_after == lifetime.until);
  what.valid.from = lifetime.until + std::chrono::seconds{1};
  const auto late = hq.issue(what);
  REQUIRE_FALSE(late);
  CHECK_THAT(late.error().message, Contains("authority has expired"));
}

TEST_CASE("names of certificates are safe as names of files") {
  for (const auto* name : {"alice", "a", "0", "gw.example.org", "a_b-c", "-a"})
    CHECK(is_certificate_name(name));
  for (const auto* name :
       {"", ".", "..", ".a", "a/b", "a b", "a\n", "\xc3\xa9"})
    CHECK_FALSE(is_certificate_name(name));
  CHECK(is_certificate_name(std::string(64, 'a')));
  CHECK_FALSE(is_certificate_name(std::string(65, 'a')));
}

TEST_CASE("requests that make no sense are refused with the reason") {
  using role = control_role;
  const auto mistake = [](const certificate_request& what) {
    CHECK_FALSE(authority().issue(what));
    return mistake_in(what).value_or("none");
  };
  CHECK_THAT(mistake(request("../a")), Contains("A-Z"));
  CHECK_THAT(mistake(request("gw", role::node, {"a,b"})), Contains("'a,b'"));
  CHECK_THAT(mistake(request("alice", role::view, {"host"})),
             Contains("for nodes only"));
  CHECK_THAT(mistake(request("a_b", role::node)), Contains("no host name"));
  CHECK_FALSE(mistake_in(request("a_b", role::node, {"::1"})));
  CHECK_FALSE(mistake_in(request("10.0.0.1", role::node)));
  auto backwards = request("alice");
  std::swap(backwards.valid.from, backwards.valid.until);
  CHECK_THAT(mistake(backwards), Contains("end before"));
}

TEST_CASE("a serial number that is none cannot be revoked") {
  const auto hq = authority();
  const std::vector<revocation> good{{"0a1b", lifetime.from}};
  const auto list = hq.revoke(good, lifetime.from);
  REQUIRE(list);
  CHECK_THAT(*list, Contains("BEGIN X509 CRL"));
  for (const auto* serial : {"", "xyz", "12 34"}) {
    const std::vector<revocation> bad{{serial, lifetime.from}};
    CHECK_FALSE(hq.revoke(bad, lifetime.from));
  }
}

TEST_CASE("a secret text is wiped where it was") {
  secret_text text{std::string_view{"a key in PEM"}};
  auto room = text.room();
  text.shorten(2);
  CHECK(text.view() == "a ");
  // The vector keeps its memory when it shrinks.
  CHECK(std::all_of(room.begin() + 2, room.end(),
                    [](char c) { return c == '\0'; }));
  const auto moved = std::move(text);
  CHECK(moved.view() == "a ");
}
