// The files of a TLS context: what is refused, and what is picked up.
#include "tests/platform/tls_support.hpp"

#include <sys/stat.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

std::string error_of(const result<tls_context>& made) {
  return made ? "none" : made.error().message;
}

/// Whether a client and a server can talk.
bool connects(const tls_context& client, const tls_context& server) {
  connection_pair both{client, server};
  return both.established() && carries(both.client, both.server, "hello");
}

} // namespace

TEST_CASE("files that are missing or no PEM are named, with the remedy") {
  test_pki pki;
  const auto good = pki.issue("gw", control_role::node);
  pki.put("junk", "junk", 0600);
  for (const auto member : {&tls_files::certificate, &tls_files::key,
                            &tls_files::authority, &tls_files::revocations}) {
    auto files = good;
    files.*member = pki.path("absent");
    CHECK_THAT(error_of(tls_context::server(files)),
               Contains(pki.path("absent")) && Contains("No such file")
                 && Contains("weft pki"));
    files.*member = pki.path("junk");
    CHECK_THAT(error_of(tls_context::server(files)),
               Contains(pki.path("junk")) && Contains("PEM"));
    files.*member = pki.path("");
    CHECK_THAT(error_of(tls_context::server(files)),
               Contains("no regular file"));
  }
}

TEST_CASE("a key that others can read is refused") {
  test_pki pki;
  const auto files = pki.issue("gw", control_role::node);
  for (const mode_t mode : {0640U, 0604U, 0620U, 0644U}) {
    REQUIRE(::chmod(files.key.c_str(), mode) == 0);
    CHECK_THAT(error_of(tls_context::server(files)),
               Contains("chmod 600 " + files.key));
  }
  REQUIRE(::chmod(files.key.c_str(), 0400) == 0);
  CHECK(tls_context::server(files));
}

TEST_CASE("a key of another certificate is refused") {
  test_pki pki;
  auto files = pki.issue("gw", control_role::node);
  pki.issue("other", control_role::node);
  files.key = pki.path("other.key");
  CHECK_THAT(error_of(tls_context::server(files)),
             Contains("does not belong to the certificate")
               && Contains("other.key") && Contains("gw.pem"));
}

TEST_CASE("a key with a passphrase is refused and nobody is asked for it") {
  test_pki pki;
  const auto files = pki.issue("gw", control_role::node);
  // Made with: openssl genpkey -algorithm ED25519 -aes128 -pass pass:weft
  pki.put("gw.key",
          "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
          "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhLXvW6fD5NRgICCAAw\n"
          "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEEnGoMpG2G35HLYxx772gW8EQIeE\n"
          "CC/GjzAVb3SHTm6Gjb/FsPDWDVZPJ4kbrabsWux9Ls2UKVtClZMiZPWsGjSfuoT8\n"
          "ysZBi6LHEgZ1B6Mx9kk=\n"
          "-----END ENCRYPTED PRIVATE KEY-----\n",
          0600);
  CHECK_THAT(error_of(tls_context::server(files)),
             Contains("passphrase") && Contains("openssl pkey"));
}

TEST_CASE("each side refuses to start with a certificate for the other") {
  test_pki pki;
  const auto node = pki.issue("gw", control_role::node);
  const auto viewer = pki.issue("alice", control_role::view);
  CHECK_THAT(error_of(tls_context::client(node)),
             Contains("is not for clients") && Contains("--role operator"));
  CHECK_THAT(error_of(tls_context::server(viewer)),
             Contains("is not for servers") && Contains("--role node"));
}

TEST_CASE("an own certificate that has expired is refused") {
  test_pki pki;
  const auto files = pki.issue("gw", control_role::node, test_pki::long_ago());
  CHECK_THAT(error_of(tls_context::server(files)),
             Contains("gw.pem has expired") && Contains("renews"));
}

TEST_CASE("an authority must be one, and the list of revocations its own") {
  test_pki pki;
  test_pki others;
  auto files = pki.issue("gw", control_role::node);
  files.authority = files.certificate;
  CHECK_THAT(error_of(tls_context::server(files)),
             Contains("'gw'") && Contains("is no authority's"));
  files = pki.files("gw");
  files.revocations = others.path("crl.pem");
  CHECK_THAT(error_of(tls_context::server(files)),
             Contains("crl.pem was signed by another authority"));
  pki.put("both.pem", pki.text_of("ca.pem") + others.text_of("ca.pem"));
  files = pki.files("gw");
  files.authority = pki.path("both.pem");
  CHECK_THAT(error_of(tls_context::server(files)),
             Contains("is not that of the authority"));
  pki.put("lists.pem", pki.text_of("crl.pem") + others.text_of("crl.pem"));
  files.revocations = pki.path("lists.pem");
  const auto server = server_of(files);
  CHECK(connects(client_of(pki.issue("alice", control_role::view)), server));
  files = others.issue("bob", control_role::view);
  files.authority = pki.path("both.pem");
  files.revocations.clear();
  CHECK(connects(client_of(files), server));
}

TEST_CASE("a context works on when its files are gone") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  for (const auto* file : {"gw.pem", "gw.key", "ca.pem", "crl.pem"})
    REQUIRE(std::filesystem::remove(pki.path(file)));
  CHECK(connects(client, server));
  const auto changed = server.reload_if_changed();
  REQUIRE_FALSE(changed);
  CHECK_THAT(changed.error().message, Contains("ca.pem") && Contains("gw.pem"));
  CHECK(connects(client, server));
}

TEST_CASE("renewed files are picked up, and files that stayed are not read") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  CHECK(server.reload_if_changed() == false);
  const auto before = server.own().serial;
  pki.issue("gw", control_role::node);
  REQUIRE(server.reload_if_changed() == true);
  CHECK(server.reload_if_changed() == false);
  CHECK(server.own().serial != before);
  connection_pair both{client, server};
  REQUIRE(both.established());
  CHECK(both.client.peer().serial == server.own().serial);
}

TEST_CASE(
  "broken renewals leave the former files in force, and are told once") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  const auto before = server.own().serial;
  const auto file = GENERATE("gw.pem", "gw.key", "ca.pem", "crl.pem");
  const auto good = pki.text_of(file);
  pki.put(file, "broken", 0600);
  const auto changed = server.reload_if_changed();
  REQUIRE_FALSE(changed);
  CHECK_THAT(changed.error().message, Contains(pki.path(file)));
  CHECK(server.reload_if_changed() == false);
  CHECK(server.own().serial == before);
  CHECK(connects(client, server));
  pki.put(file, good, 0600);
  CHECK(server.reload_if_changed() == true);
  CHECK(connects(client, server));
}

TEST_CASE("a key's mode that was put right counts as a change") {
  test_pki pki;
  const auto files = pki.issue("gw", control_role::node);
  auto server = server_of(files);
  pki.issue("gw", control_role::node);
  REQUIRE(::chmod(files.key.c_str(), 0644) == 0);
  CHECK_FALSE(server.reload_if_changed());
  CHECK(server.reload_if_changed() == false);
  REQUIRE(::chmod(files.key.c_str(), 0600) == 0);
  CHECK(server.reload_if_changed() == true);
}

TEST_CASE("a broken certificate does not hold a revocation up") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair open{client, server};
  REQUIRE(open.established());
  pki.put("gw.pem", "broken");
  pki.revoke("alice");
  const auto changed = server.reload_if_changed();
  REQUIRE_FALSE(changed);
  CHECK_THAT(changed.error().message, Contains("gw.pem"));
  CHECK(server.objection_to(open.server, wall_now()));
  CHECK_FALSE(connects(client, server));
}

TEST_CASE("streams outlive a reload and their context") {
  test_pki pki;
  auto both = [&] {
    auto server = server_of(pki.issue("gw", control_role::node));
    const auto client = client_of(pki.issue("alice", control_role::operate));
    connection_pair made{client, server};
    REQUIRE(made.established());
    pki.issue("gw", control_role::node);
    REQUIRE(server.reload_if_changed() == true);
    return made;
  }();
  CHECK(carries(both.client, both.server, "still there"));
}
