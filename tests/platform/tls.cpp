// Who may connect to whom.
#include "platform/tls.hpp"

#include "tests/platform/tls_support.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using Catch::StartsWith;

TEST_CASE("both sides learn who the other is") {
  test_pki pki;
  const auto role = GENERATE(control_role::operate, control_role::view);
  const auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", role));
  connection_pair both{client, server};
  REQUIRE(both.established());
  const auto seen = both.server.peer();
  CHECK(seen.name == "alice");
  CHECK(seen.role == role);
  CHECK(seen.serial == client.own().serial);
  CHECK(seen.fingerprint == client.own().fingerprint);
  CHECK(seen.not_after == client.own().not_after);
  CHECK(both.client.peer().name == "gw");
  CHECK(both.client.peer().role == control_role::node);
  CHECK(carries(both.client, both.server, "to the server"));
  CHECK(carries(both.server, both.client, "to the client"));
  CHECK_FALSE(server.objection_to(both.server, wall_now()));
  CHECK_FALSE(client.objection_to(both.client, wall_now()));
}

TEST_CASE("a client goes only where the server's certificate says") {
  test_pki pki;
  const auto server
    = server_of(pki.issue("gw.example.org", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  for (const auto* host :
       {"localhost", "gw.example.org", "GW.example.org", "127.0.0.1", "::1"}) {
    INFO(host);
    connection_pair both{client, server, host};
    CHECK(both.established());
  }
  for (const auto* host :
       {"example.org", "other.example.org", "127.0.0.2", "::2"}) {
    connection_pair both{client, server, host};
    CHECK_FALSE(both.established());
    CHECK(both.client.failure()
          == "the other side's certificate is not for " + std::string{host});
    CHECK_THAT(both.server.failure(), StartsWith("the other side refused our "
                                                 "certificate: it is not for"));
  }
  for (const auto* host : {"", "two words", "a_b", "::1%eth0", "localhost."}) {
    auto sockets = socket_pair{};
    const auto refused = client.connect(std::move(sockets.first), host);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("neither a host name"));
  }
}

TEST_CASE("certificates of another authority are refused on both sides") {
  test_pki pki;
  test_pki others{GENERATE("test authority", "another authority")};
  const auto server = server_of(pki.issue("gw", control_role::node));
  const auto stranger = client_of(others.issue("eve", control_role::operate));
  connection_pair both{stranger, server};
  CHECK_FALSE(both.established());
  CHECK(both.client.failure()
        == "the other side's certificate was signed by another authority");
  CHECK(both.server.failure()
        == "the other side refused our certificate: it was signed by another "
           "authority");

  // One that trusts the server is not trusted for that.
  auto files = others.files("eve");
  auto mixed = pki.files("gw");
  mixed.certificate = files.certificate;
  mixed.key = files.key;
  const auto own = tls_context::client(mixed);
  REQUIRE_FALSE(own);
  CHECK_THAT(own.error().message,
             Contains("was signed by another authority") && Contains("ca.pem"));
}

TEST_CASE("a client learns on its first read that it was refused, and why") {
  test_pki pki;
  test_pki others;
  const auto server = server_of(pki.issue("gw", control_role::node));
  // Trusts both authorities, and has a certificate of the wrong one.
  auto files = others.issue("eve", control_role::operate);
  pki.put("both.pem", pki.text_of("ca.pem") + others.text_of("ca.pem"));
  files.authority = pki.path("both.pem");
  files.revocations.clear();
  const auto client = client_of(files);
  const std::string reason = "the other side refused our certificate: it was "
                             "signed by another authority";
  SECTION("by a read") {
    connection_pair both{client, server};
    both.shake_hands();
    CHECK(both.client_status == tls_status::done);
    CHECK(both.server_status == tls_status::failed);
    CHECK(both.server.failure()
          == "the other side's certificate was signed by another authority");
    CHECK(read_text(both.client) == "failed: " + reason);
    CHECK(both.client.write(bytes_of("x")).status == tls_status::failed);
  }
  SECTION("by a write after the server went away") {
    auto both = std::make_unique<connection_pair>(client, server);
    both->shake_hands();
    auto alone = std::move(both->client);
    both.reset();
    CHECK(alone.write(bytes_of("x")).status == tls_status::failed);
    CHECK(alone.failure() == reason);
  }
}

TEST_CASE("a revoked client is refused, and cut off once the list is loaded") {
  test_pki pki;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto alice = client_of(pki.issue("alice", control_role::operate));
  const auto bob = client_of(pki.issue("bob", control_role::view));
  connection_pair open{alice, server};
  connection_pair other{bob, server};
  REQUIRE(open.established());
  REQUIRE(other.established());
  pki.revoke("alice");
  CHECK_FALSE(server.objection_to(open.server, wall_now()));
  REQUIRE(server.reload_if_changed() == true);
  CHECK(server.objection_to(open.server, wall_now()));
  CHECK(server.objection_to(open.server, wall_now())
        == "the other side's certificate was revoked");
  CHECK_FALSE(server.objection_to(other.server, wall_now()));

  connection_pair again{alice, server};
  CHECK_FALSE(again.established());
  CHECK(again.server.failure() == "the other side's certificate was revoked");
  CHECK(read_text(again.client)
        == "failed: the other side refused our certificate: it was revoked");
  connection_pair still{bob, server};
  CHECK(still.established());
}

TEST_CASE("a client refuses a server that was revoked") {
  test_pki pki;
  const auto files = pki.issue("gw", control_role::node);
  pki.issue("alice", control_role::operate);
  pki.revoke("gw");
  // The server itself starts: it must still honour the list.
  const auto server = server_of(files);
  const auto client = client_of(pki.files("alice"));
  connection_pair both{client, server};
  CHECK_FALSE(both.established());
  CHECK(both.client.failure() == "the other side's certificate was revoked");
}

TEST_CASE("an open connection is objected to when its certificate expires") {
  test_pki pki;
  const auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair both{client, server};
  CHECK(server.objection_to(both.server, wall_now()));
  REQUIRE(both.established());
  const auto end = client.own().not_after;
  CHECK_FALSE(server.objection_to(both.server, end - std::chrono::seconds{1}));
  CHECK(server.objection_to(both.server, end)
        == "the other side's certificate has expired");
}

TEST_CASE("an open connection is objected to when its authority is replaced") {
  test_pki pki;
  test_pki others;
  auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair both{client, server};
  REQUIRE(both.established());
  others.issue("gw", control_role::node);
  for (const auto* file : {"ca.pem", "crl.pem", "gw.pem"})
    pki.put(file, others.text_of(file));
  pki.put("gw.key", others.text_of("gw.key"), 0600);
  REQUIRE(server.reload_if_changed() == true);
  CHECK(server.objection_to(both.server, wall_now())
        == "the other side's certificate was signed by another authority");
}
