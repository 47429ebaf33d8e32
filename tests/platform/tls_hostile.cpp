// Peers that are not weft: OpenSSL with whatever settings, and bare sockets.
#include "platform/x509.hpp"
#include "tests/platform/raw_peer.hpp"
#include "tests/platform/rework.hpp"

#include <openssl/x509v3.h>

#include <ctime>
#include <functional>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

/// A server that waits for a client that is made by the test.
struct waiting_server {
  test_pki pki;
  socket_pair sockets;
  tls_context context = server_of(pki.issue("gw", control_role::node));
  tls_stream stream = accept(context, std::move(sockets.second));
  raw_peer client{raw_peer::kind::client, std::move(sockets.first)};
};

/// The server's verdict on a client with these files.
std::string verdict_on(waiting_server& server, const tls_files& files) {
  server.client.use(files);
  const auto status = shake_hands(server.stream, server.client);
  return status == tls_status::done ? "accepted" : server.stream.failure();
}

/// The same with another extension of a kind, or without any.
void rework(test_pki& pki, const std::string& name, int kind,
            const char* value = nullptr) {
  rework(pki, name, [=](X509* certificate) {
    const int at = X509_get_ext_by_NID(certificate, kind, -1);
    REQUIRE(at >= 0);
    X509_EXTENSION_free(X509_delete_ext(certificate, at));
    if (value == nullptr)
      return;
    const std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>> added{
      X509V3_EXT_conf_nid(nullptr, nullptr, kind, value)};
    REQUIRE(X509_add_ext(certificate, added.get(), -1) == 1);
  });
}

/// The same with another organizational unit beside that which it has.
void add_unit(test_pki& pki, const std::string& name, const std::string& unit) {
  rework(pki, name, [&](X509* certificate) {
    REQUIRE(X509_NAME_add_entry_by_txt(
              X509_get_subject_name(certificate), "OU", MBSTRING_UTF8,
              reinterpret_cast<const unsigned char*>(unit.data()),
              static_cast<int>(unit.size()), -1, 0)
            == 1);
  });
}

/// A client's verdict on a server with the certificate `gw`.
std::string verdict_on_server(test_pki& pki, const std::string& host) {
  const auto client = client_of(pki.issue("alice", control_role::operate));
  socket_pair sockets;
  auto stream = connect(client, std::move(sockets.first), host);
  raw_peer server{raw_peer::kind::server, std::move(sockets.second)};
  server.use(pki.files("gw"));
  const auto status = shake_hands(stream, server);
  return status == tls_status::done ? "accepted" : stream.failure();
}

void send_text(int fd, std::string_view text) {
  REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL)
          == static_cast<ssize_t>(text.size()));
}

} // namespace

TEST_CASE("a client with a proper certificate is accepted, whatever it runs") {
  waiting_server server;
  CHECK(verdict_on(server, server.pki.issue("alice", control_role::operate))
        == "accepted");
  // The client was shown what is in the file, and no authority besides.
  CHECK(sk_X509_num(SSL_get_peer_cert_chain(server.client.ssl())) == 1);
}

TEST_CASE("a client has no role if its certificate calls it a node") {
  waiting_server server;
  const auto files = server.pki.issue("other", control_role::node);
  rework(server.pki, "other", NID_ext_key_usage, "clientAuth");
  REQUIRE(verdict_on(server, files) == "accepted");
  CHECK(server.stream.peer().name == "other");
  CHECK_FALSE(server.stream.peer().role);
}

TEST_CASE("a client without a certificate is refused") {
  waiting_server server;
  CHECK(shake_hands(server.stream, server.client) == tls_status::failed);
  CHECK(server.stream.failure() == "the other side sent no certificate");
  CHECK(server.stream.peer().name.empty());
  CHECK(server.context.objection_to(server.stream, wall_now()));
}

TEST_CASE("a client whose certificate has expired is refused") {
  waiting_server server;
  CHECK(verdict_on(server, server.pki.issue("alice", control_role::operate,
                                            test_pki::long_ago()))
        == "the other side's certificate has expired");
}

TEST_CASE("a node's certificate is none for a client") {
  waiting_server server;
  CHECK(verdict_on(server, server.pki.issue("other", control_role::node))
        == "the other side's certificate is not for clients");
}

TEST_CASE("a certificate that states two roles has none") {
  waiting_server server;
  auto& pki = server.pki;
  pki.issue("alice", control_role::view);
  add_unit(pki, "alice", "Sales");
  CHECK(read_certificate(pki.text_of("alice.pem"))->role == control_role::view);
  const std::string second
    = GENERATE("weft operator", "weft viewer", "weft root");
  add_unit(pki, "alice", second);
  REQUIRE(verdict_on(server, pki.files("alice")) == "accepted");
  CHECK_FALSE(server.stream.peer().role);
}

TEST_CASE("a certificate without a name has no role") {
  waiting_server server;
  auto& pki = server.pki;
  pki.issue("alice", control_role::operate);
  rework(pki, "alice", [](X509* certificate) {
    auto* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    REQUIRE(at >= 0);
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, at));
  });
  REQUIRE(verdict_on(server, pki.files("alice")) == "accepted");
  CHECK(server.stream.peer().name.empty());
  CHECK_FALSE(server.stream.peer().role);
}

TEST_CASE("a list of revocations that has expired lets nobody in") {
  test_pki pki;
  const auto pem = pki.text_of("crl.pem");
  const auto lists = x509::parse_revocations(pem, "It");
  REQUIRE(lists);
  auto* list = lists->front().get();
  const x509::handle<ASN1_TIME, ASN1_TIME_free> past{
    ASN1_TIME_adj(nullptr, std::time(nullptr), 0, -60)};
  REQUIRE(X509_CRL_set1_nextUpdate(list, past.get()) == 1);
  const auto key_text = pki.authority().key();
  const auto key = x509::parse_key(key_text->view(), "It");
  REQUIRE(X509_CRL_sign(list, key->get(), nullptr) > 0);
  const x509::bio to{BIO_new(BIO_s_mem())};
  REQUIRE(PEM_write_bio_X509_CRL(to.get(), list) == 1);
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(to.get(), &bytes);
  pki.put("crl.pem", {bytes, static_cast<std::size_t>(size)});
  const auto server = server_of(pki.issue("gw", control_role::node));
  auto files = pki.issue("alice", control_role::operate);
  files.revocations.clear();
  const auto client = client_of(files);
  connection_pair both{client, server};
  both.shake_hands();
  CHECK(both.server_status == tls_status::failed);
  CHECK_THAT(both.server.failure(),
             Catch::Contains("the list of revocations has expired"));
}

TEST_CASE("a client's certificate must say that it is for clients") {
  waiting_server server;
  const auto files = server.pki.issue("alice", control_role::operate);
  rework(server.pki, "alice", NID_ext_key_usage);
  CHECK(verdict_on(server, files)
        == "the other side's certificate is not for clients");
}

TEST_CASE("a server's certificate must say that it is for servers") {
  test_pki pki;
  pki.issue("gw", control_role::node);
  CHECK(verdict_on_server(pki, "gw") == "accepted");
  rework(pki, "gw", NID_ext_key_usage, "clientAuth");
  CHECK(verdict_on_server(pki, "gw")
        == "the other side's certificate is not for servers");
  rework(pki, "gw", NID_ext_key_usage, "serverAuth");
  CHECK(tls_context::server(pki.files("gw")));
  pki.issue("gw", control_role::node);
  rework(pki, "gw", NID_ext_key_usage);
  CHECK(verdict_on_server(pki, "gw")
        == "the other side's certificate is not for servers");
  // Nor does a server itself begin with it.
  CHECK_FALSE(tls_context::server(pki.files("gw")));
}

TEST_CASE("the name in the subject of a server's certificate is no host name") {
  test_pki pki;
  pki.issue("gw", control_role::node);
  rework(pki, "gw", NID_subject_alt_name);
  CHECK(verdict_on_server(pki, "gw")
        == "the other side's certificate is not for gw");
}

TEST_CASE("a server whose certificate has expired is refused") {
  test_pki pki;
  pki.issue("gw", control_role::node, test_pki::long_ago());
  CHECK(verdict_on_server(pki, "gw")
        == "the other side's certificate has expired");
}

TEST_CASE("TLS 1.2 is refused, and what is no TLS at all") {
  waiting_server server;
  SECTION("TLS 1.2") {
    server.client.use(server.pki.issue("alice", control_role::operate));
    SSL_CTX_set_max_proto_version(server.client.context(), TLS1_2_VERSION);
    CHECK(shake_hands(server.stream, server.client) == tls_status::failed);
    CHECK(server.stream.failure() == "the other side does not speak TLS 1.3");
  }
  SECTION("others") {
    using namespace std::string_view_literals;
    const auto text
      = GENERATE("GET / HTTP/1.1\r\n\r\n"sv, "SSH-2.0-OpenSSH_9.2\r\n"sv,
                 "\x16\x03\x01\x00\x05hello"sv,
                 "\xff\xff\xff\xff\xff\xff\xff"sv);
    send_text(SSL_get_fd(server.client.ssl()), text);
    CHECK(server.stream.handshake().status == tls_status::failed);
    CHECK_FALSE(server.stream.failure().empty());
    // And for good.
    CHECK(server.stream.handshake().status == tls_status::failed);
    CHECK(read_text(server.stream) == "failed: " + server.stream.failure());
  }
}

TEST_CASE("a client that goes away during the handshake is told of") {
  test_pki pki;
  const auto context = server_of(pki.issue("gw", control_role::node));
  socket_pair sockets;
  auto stream = accept(context, std::move(sockets.second));
  CHECK(stream.handshake().status == tls_status::wants_read);
  sockets.first.reset();
  CHECK(stream.handshake().status == tls_status::failed);
  CHECK(stream.failure() == "the other side broke the connection off");
}

TEST_CASE("a chain of certificates without end is refused") {
  waiting_server server;
  const auto files = server.pki.issue("alice", control_role::operate);
  std::string chain = server.pki.text_of("alice.pem");
  for (int i = 0; i < 100; ++i)
    chain += server.pki.text_of("ca.pem");
  server.pki.put("alice.pem", chain);
  CHECK_THAT(verdict_on(server, files), Contains("TLS failed"));
}

TEST_CASE("nothing is given to clients that lets them resume a session") {
  waiting_server server;
  REQUIRE(verdict_on(server, server.pki.issue("alice", control_role::operate))
          == "accepted");
  REQUIRE(server.stream.write(bytes_of("hello")).status == tls_status::done);
  std::array<char, 16> text{};
  REQUIRE(SSL_read(server.client.ssl(), text.data(), 16) == 5);
  CHECK(server.client.sessions() == 0);
}

TEST_CASE("one read takes one record, also if it has no data") {
  waiting_server server;
  REQUIRE(verdict_on(server, server.pki.issue("alice", control_role::operate))
          == "accepted");
  for (int i = 0; i < 3; ++i) {
    REQUIRE(SSL_key_update(server.client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED)
            == 1);
    REQUIRE(SSL_do_handshake(server.client.ssl()) == 1);
  }
  REQUIRE(SSL_write(server.client.ssl(), "x", 1) == 1);
  for (int i = 0; i < 3; ++i)
    CHECK(read_text(server.stream) == "waits");
  CHECK(read_text(server.stream) == "x");
}
