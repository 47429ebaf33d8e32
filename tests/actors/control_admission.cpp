// Who comes in over the network, while others try to keep them out.
#include "tests/actors/control_support.hpp"
#include "tests/platform/rework.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

using namespace weft;
using namespace weft::test;

namespace {

/// A gateway for both families, and for its host.
struct open_server {
  explicit open_server(gateway_limits limits = {}) : server(limits) {
    server.options.tls.emplace();
    server.options.tls->listen = {*parse_endpoint("[::]:0")};
    server.options.tls->files = pki.issue("daemon", control_role::node);
  }
  void start() {
    server.start();
    port = server.report().remote.at(0).port;
  }
  control_target as(const std::string& name, control_role role) {
    return target(pki.issue(name, role));
  }
  control_target target(const tls_files& files) const {
    return remote_target{"127.0.0.1", port, files, {}};
  }

  test_pki pki;
  served_overlay server;
  std::uint16_t port = 0;
};

/// A client that takes its time, from an address of the loopback network.
class slow_client {
public:
  slow_client(const open_server& server, const std::string& from)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    const auto* const where = reinterpret_cast<const sockaddr*>(&address);
    address.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, from.c_str(), &address.sin_addr) == 1);
    REQUIRE(::bind(fd_.get(), where, sizeof address) == 0);
    address.sin_port = htons(server.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_.get(), where, sizeof address) == 0);
  }

  bool is_shut_out() const {
    pollfd entry{fd_.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  bool shake_hands(const tls_files& files) {
    auto context = tls_context::client(files);
    REQUIRE(context);
    auto stream = context->connect(std::move(fd_), "127.0.0.1");
    REQUIRE(stream);
    stream_.emplace(std::move(*stream));
    return run([&] { return stream_->handshake(); });
  }
  /// What it is told after its hello.
  std::optional<server_hello> ask() {
    const auto bytes
      = to_bytes(client_hello{control_version, std::string(32, 'n')});
    if (!run([&] { return stream_->write(std::as_bytes(std::span(bytes))); }))
      return std::nullopt;
    std::string answer;
    while (answer.size() < server_hello::size) {
      std::string part(server_hello::size - answer.size(), '\0');
      std::size_t got = 0;
      if (!run([&] {
            const auto done
              = stream_->read(std::as_writable_bytes(std::span(part)));
            got = done.bytes;
            return done;
          }))
        return std::nullopt;
      answer += part.substr(0, got);
    }
    return parse_server_hello(answer);
  }

private:
  template <class Operation>
  bool run(Operation operation) {
    for (;;) {
      const auto done = operation().status;
      if (done == tls_status::done)
        return true;
      if (done != tls_status::wants_read && done != tls_status::wants_write)
        return false;
      pollfd entry{stream_->descriptor(),
                   static_cast<short>(done == tls_status::wants_read ? POLLIN
                                                                     : POLLOUT),
                   0};
      if (::poll(&entry, 1, 20'000) != 1)
        FAIL("nothing comes, and the connection does not end");
    }
  }

  file_descriptor fd_;
  std::optional<tls_stream> stream_;
};

} // namespace

TEST_CASE("One IPv4 address that knocks and knocks keeps no other one out, "
          "where both families come in") {
  gateway_limits limits;
  limits.unknown_clients = 16;
  limits.hello = 60s;
  open_server open{limits};
  open.start();
  const auto alice = open.pki.issue("alice", control_role::operate);
  std::vector<slow_client> slow;
  std::vector<slow_client> crowd;
  for (int i = 0; i < 200; ++i) {
    if (i % 25 == 0)
      slow.emplace_back(open, "127.0.1." + std::to_string(i + 1));
    crowd.emplace_back(open, "127.0.0.2");
  }
  CHECK(eventually([&] { return open.server.report().refused == 192; }));
  CHECK(open.server.report().unknown == 16);
  for (auto& each : slow) {
    REQUIRE_FALSE(each.is_shut_out());
    REQUIRE(each.shake_hands(alice));
    const auto said = each.ask();
    REQUIRE(said);
    CHECK(said->answer == admission::granted);
  }
}

TEST_CASE("Who has sent a first message stays, however many others from "
          "everywhere say nothing") {
  gateway_limits limits;
  limits.unknown_clients = 8;
  limits.hello = 60s;
  open_server open{limits};
  open.start();
  slow_client first{open, "127.0.0.1"};
  REQUIRE(first.shake_hands(open.pki.issue("alice", control_role::operate)));
  std::vector<slow_client> crowd;
  for (int i = 0; i < 60; ++i)
    crowd.emplace_back(open, "127." + std::to_string(i + 1) + ".0.1");
  CHECK(eventually([&] { return open.server.report().refused == 53; }));
  const auto said = first.ask();
  REQUIRE(said);
  CHECK(said->answer == admission::granted);
}

TEST_CASE("Who connected before his certificate was revoked does not come in "
          "after it") {
  gateway_limits limits;
  limits.certificates = 60s; // it is not a look at the files that finds it
  open_server open{limits};
  open.start();
  slow_client alice{open, "127.0.0.1"};
  slow_client bob{open, "127.0.0.1"};
  REQUIRE(alice.shake_hands(open.pki.issue("alice", control_role::operate)));
  REQUIRE(bob.shake_hands(open.pki.issue("bob", control_role::operate)));
  open.pki.revoke("alice");
  const auto said = alice.ask();
  REQUIRE(said);
  CHECK(said->answer == admission::refused);
  CHECK_THAT(said->text, Catch::Contains("revoked"));
  const auto other = bob.ask();
  REQUIRE(other);
  CHECK(other->answer == admission::granted);
  CHECK(open.server.report().operators == 1);
}

TEST_CASE("Who is half-way in is sent away when his certificate is revoked") {
  gateway_limits limits;
  limits.certificates = 50ms;
  limits.hello = 60s;
  open_server open{limits};
  open.start();
  const auto files = open.pki.issue("alice", control_role::operate);
  slow_client alice{open, "127.0.0.1"};
  REQUIRE(alice.shake_hands(files));
  open.pki.revoke("alice");
  // Each that comes lets the gateway look at the files.
  CHECK(eventually([&] {
    const slow_client next{open, "127.0.0.3"};
    return open.server.report().revoked == 1;
  }));
}

TEST_CASE("One operator's connections keep no other one out, nor this host's "
          "root") {
  if (::geteuid() != 0)
    return;
  gateway_limits limits;
  limits.role_clients = 4;
  open_server open{limits};
  open.start();
  program client;
  std::vector<overlay_actor> crowd;
  const auto alice = open.as("alice", control_role::operate);
  for (int i = 0; i < 4; ++i) {
    crowd.push_back(client.connect(alice));
    CHECK_FALSE(client.command(crowd.back(), set_log_level{log_level::warn}));
  }
  // She has all places, and gets no more of them.
  connect_options once;
  once.longest_pause = 60s;
  auto late = client.connect(alice, once);
  CHECK(error_code(client.command(late, set_log_level{log_level::warn}))
        == EAGAIN);
  late = nullptr;
  auto local = client.connect(open.server.target());
  CHECK_FALSE(client.command(local, set_log_level{log_level::warn}));
  CHECK(open.server.report().operators == 5);
  auto bob = client.connect(open.as("bob", control_role::operate));
  CHECK_FALSE(client.command(bob, set_log_level{log_level::warn}));
  CHECK(open.server.logs("left: others want to come in"));
  CHECK_FALSE(client.command(crowd.front(), set_log_level{log_level::warn}));
}

TEST_CASE("A certificate without a name, or of a node, opens no door") {
  open_server open;
  open.server.options.tls->roles
    = {{"", control_role::operate}, {"gate", control_role::node}};
  open.start();
  auto refused = [&](const tls_files& files) {
    slow_client one{open, "127.0.0.1"};
    REQUIRE(one.shake_hands(files));
    const auto said = one.ask();
    REQUIRE(said);
    CHECK(said->answer == admission::refused);
    return said->text;
  };
  const auto nobody = open.pki.issue("nobody", control_role::operate);
  rework(open.pki, "nobody", [](X509* certificate) {
    auto* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    REQUIRE(at >= 0);
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, at));
  });
  CHECK_THAT(refused(nobody), Catch::Contains("has no name"));
  // It says that it is for clients, too, but it is still a node's.
  const auto other = open.pki.issue("other", control_role::node);
  rework(open.pki, "other", [](X509* certificate) {
    const int at = X509_get_ext_by_NID(certificate, NID_ext_key_usage, -1);
    REQUIRE(at >= 0);
    X509_EXTENSION_free(X509_delete_ext(certificate, at));
    const std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>> added{
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage,
                          "clientAuth,serverAuth")};
    REQUIRE(X509_add_ext(certificate, added.get(), -1) == 1);
  });
  CHECK_THAT(refused(other), Catch::Contains("has no role"));
  // Nor does the configuration make a client of a node.
  CHECK_THAT(refused(open.pki.issue("gate", control_role::operate)),
             Catch::Contains("has no role"));
  CHECK(open.server.log->count("came in") == 0);
}
