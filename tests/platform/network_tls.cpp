#include "tests/platform/network_tls_support.hpp"
#include "tests/platform/raw_peer.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

constexpr std::string_view members_alpn = "\x0eweft-members/1";
constexpr std::string_view joining_alpn = "\x0bweft-join/1";

/// A network with a directory that listens, and the judges that weft has.
struct network {
  network_pki pki;
  network_holder hq = pki.directory("hq");
  network_tls listener = must(network_tls::directory(
    identity_of(hq, pki), welcomes<member_contents>(pki.root.certificate)));

  network_tls member(const network_holder& who) {
    return must(
      network_tls::member(identity_of(who, pki),
                          welcomes<directory_contents>(pki.root.certificate)));
  }
  network_tls directory(const network_holder& who) const {
    return must(network_tls::directory(identity_of(who, pki), welcome_all));
  }
  /// Welcomes a chain with a root behind it.
  network_tls joiner() {
    return must(network_tls::joiner(
      [root = pki.root.certificate](
        network_purpose,
        std::span<const byte_vector> chain) -> std::optional<refused> {
        if (chain.size() != 3 || chain[2] != root.der)
          return refused{refusal::wrong_network, "it shows another root"};
        const auto leaf = verify_chain(root, chain.first(2), network_pki::now);
        return leaf ? std::nullopt : std::optional(leaf.error());
      }));
  }
};

/// What a raw client shows and says it wants.
void use(raw_peer& peer, const network_holder& who, std::string_view alpn) {
  auto* context = peer.context();
  const auto key = x509::signing_key(who.seed);
  REQUIRE(
    SSL_CTX_use_certificate(context, x509::parse_der(who.chain.at(0)).get())
    == 1);
  for (std::size_t i = 1; i < who.chain.size(); ++i)
    REQUIRE(
      SSL_CTX_add1_chain_cert(context, x509::parse_der(who.chain[i]).get())
      == 1);
  REQUIRE(SSL_CTX_use_PrivateKey(context, key.get()) == 1);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  const auto bytes = std::as_bytes(std::span(alpn));
  if (!alpn.empty())
    REQUIRE(SSL_CTX_set_alpn_protos(
              context, reinterpret_cast<const unsigned char*>(bytes.data()),
              static_cast<unsigned>(bytes.size()))
            == 0);
}

/// A raw client that comes to a directory.
struct raw_client {
  socket_pair sockets;
  network_stream stream;
  raw_peer client;

  explicit raw_client(const network_tls& listener)
    : stream(must(listener.accept(std::move(sockets.second)))),
      client(raw_peer::kind::client, std::move(sockets.first)) {
  }
  /// The directory's verdict on it.
  std::string verdict() {
    return shake_hands(stream, client) == tls_status::done ? "accepted"
                                                           : stream.failure();
  }
};

} // namespace

TEST_CASE("a member and a directory know each other by their chains") {
  network net;
  const auto alpha = net.pki.member("alpha");
  network_pair both(net.member(alpha), net.listener);
  REQUIRE(both.shake_hands());
  CHECK(both.client.purpose() == network_purpose::members);
  CHECK(both.server.purpose() == network_purpose::members);
  CHECK(both.server.peer_chain() == alpha.chain);
  CHECK(both.client.peer_chain() == net.hq.chain);
  CHECK_FALSE(both.server.objection());
  CHECK(carries(both.client, both.server, "hello"));
  CHECK(carries(both.server, both.client, "welcome"));
  CHECK(both.client.shutdown().status == tls_status::done);
  CHECK(read_text(both.server) == "closed");
}

TEST_CASE("who joins is shown the root, and shows nothing") {
  network net;
  network_pair both(net.joiner(), net.listener);
  REQUIRE(both.shake_hands());
  CHECK(both.server.purpose() == network_purpose::joining);
  CHECK(both.server.peer_chain().empty());
  auto shown = net.hq.chain;
  shown.push_back(net.pki.root.certificate.der);
  CHECK(both.client.peer_chain() == shown);
  CHECK(carries(both.client, both.server, "hello"));
}

TEST_CASE("both ends export the same, by label and by session") {
  network net;
  network_pair one(net.joiner(), net.listener);
  CHECK_THROWS_AS(one.client.exporter(join_exporter_label), std::logic_error);
  REQUIRE(one.shake_hands());
  const auto exported = one.client.exporter(join_exporter_label);
  CHECK(exported == one.server.exporter(join_exporter_label));
  CHECK(exported != tls_exporter{});
  CHECK(exported != one.client.exporter("EXPORTER-another"));
  network_pair another(net.joiner(), net.listener);
  REQUIRE(another.shake_hands());
  CHECK(exported != another.client.exporter(join_exporter_label));
}

TEST_CASE("a connection outlives the context that it comes from") {
  network net;
  const auto alpha = net.pki.member("alpha");
  std::optional<network_tls> member = net.member(alpha);
  network_pair both(*member, net.listener);
  member.reset();
  REQUIRE(both.shake_hands());
  auto moved = std::move(both.client);
  CHECK(carries(moved, both.server, "hello"));
}

TEST_CASE("a member whose certificate is no good is refused, and told so") {
  network net;
  network_pki foreign;
  struct expectation {
    network_holder who;
    refusal why;
    std::string told;
  };
  const auto expired = net.pki.member("old", network_pki::past);
  const auto other = foreign.member("alpha");
  const auto wrong_role = net.pki.directory("alpha");
  auto outside = net.pki.member_named("alpha");
  outside.prefixes = {prefix("192.168.0.0/24")};
  const std::vector<expectation> all{
    {expired, refusal::expired, "has expired"},
    {other, refusal::wrong_network, "another authority"},
    {wrong_role, refusal::wrong_role, "not for this use"},
    {net.pki.issue(outside), refusal::outside_ranges, "did not say why"}};
  for (const auto& [who, why, told] : all) {
    INFO(told);
    network_pair both(net.member(who), net.listener);
    CHECK_FALSE(both.shake_hands());
    CHECK(both.server_status == tls_status::failed);
    REQUIRE(both.server.objection());
    CHECK(both.server.objection()->why == why);
    CHECK_THAT(both.server.failure(),
               Contains("the other side was refused: ")
                 && Contains(both.server.objection()->what));
    // A client's part of the handshake is done by then.
    CHECK_THAT(read_text(both.client),
               Contains("the other side refused our certificate")
                 && Contains(told));
    CHECK(both.client.was_refused());
    CHECK_FALSE(both.server.was_refused());
  }
}

TEST_CASE("a directory that is none of the network's is refused, and told so") {
  network net;
  network_pki foreign;
  const auto member = net.pki.member("gw");
  const auto other = foreign.directory("hq");
  const auto expired = net.pki.directory("hq", network_pki::past);
  for (const auto* who : {&member, &other, &expired}) {
    network_pair both(net.member(net.pki.member("alpha")), net.directory(*who));
    CHECK_FALSE(both.shake_hands());
    CHECK(both.client_status == tls_status::failed);
    CHECK(both.client.objection());
    CHECK(both.server_status == tls_status::failed);
    CHECK_THAT(both.server.failure(),
               Contains("the other side refused our certificate"));
    CHECK(both.server.was_refused());
  }
}

TEST_CASE("who joins refuses a directory under another root") {
  network net;
  network other;
  network_pair both(net.joiner(), other.listener);
  CHECK_FALSE(both.shake_hands());
  CHECK(both.client.failure()
        == "the other side was refused: it shows another root");
  CHECK(both.server_status == tls_status::failed);
}

TEST_CASE("a member without a certificate is refused") {
  network net;
  raw_client came(net.listener);
  const auto bytes = std::as_bytes(std::span(members_alpn));
  SSL_CTX_set_alpn_protos(came.client.context(),
                          reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<unsigned>(bytes.size()));
  CHECK(came.verdict() == "the other side sent no certificate");
}

TEST_CASE("another's chain is of no use without its key") {
  network net;
  auto alpha = net.pki.member("alpha");
  const auto thief = net.pki.member("thief");
  alpha.seed = thief.seed;
  CHECK_FALSE(network_tls::member(identity_of(alpha, net.pki), welcome_all));
  // A chain that begins with the thief's own.
  alpha.chain.insert(alpha.chain.begin(), thief.chain[0]);
  raw_client came(net.listener);
  use(came.client, alpha, members_alpn);
  CHECK_THAT(came.verdict(), Contains("a chain of 3 certificates"));
}

TEST_CASE("who does not say what it wants is refused") {
  network net;
  const auto alpha = net.pki.member("alpha");
  raw_client came(net.listener);
  SECTION("at all") {
    use(came.client, alpha, "");
  }
  SECTION("of what there is") {
    use(came.client, alpha, "\x02h2\x0eweft-members/9");
  }
  CHECK(came.verdict()
        == "the other side does not speak weft's protocol for networks");
}

TEST_CASE("the purpose is taken from what is offered, not the certificate") {
  network net;
  const auto alpha = net.pki.member("alpha");
  raw_client came(net.listener);
  use(came.client, alpha, joining_alpn);
  REQUIRE(came.verdict() == "accepted");
  CHECK(came.stream.purpose() == network_purpose::joining);
  CHECK(came.stream.peer_chain().empty());
}

TEST_CASE("who guesses the wrong group first is shown one root") {
  network net;
  raw_client came(net.listener);
  use(came.client, net.pki.member("alpha"), joining_alpn);
  SSL_CTX_set1_groups_list(came.client.context(), "P-256:X25519");
  REQUIRE(came.verdict() == "accepted");
  CHECK(sk_X509_num(SSL_get_peer_cert_chain(came.client.ssl())) == 3);
}

TEST_CASE("a server without our protocol is refused before it is judged") {
  network net;
  socket_pair sockets;
  bool judged = false;
  const auto member = must(network_tls::member(
    identity_of(net.pki.member("alpha"), net.pki),
    [&](network_purpose,
        std::span<const byte_vector>) -> std::optional<refused> {
      judged = true;
      return std::nullopt;
    }));
  auto stream = must(member.connect(std::move(sockets.first)));
  raw_peer server(raw_peer::kind::server, std::move(sockets.second));
  use(server, net.hq, "");
  CHECK(shake_hands(stream, server) == tls_status::failed);
  CHECK_THAT(stream.failure(), Contains("does not speak weft's protocol"));
  CHECK_FALSE(judged);
}

TEST_CASE("a chain that is too long or too large is not judged") {
  network net;
  auto alpha = net.pki.member("alpha");
  SECTION("five certificates") {
    for (int i = 0; i < 3; ++i)
      alpha.chain.push_back(alpha.chain[1]);
    raw_client came(net.listener);
    use(came.client, alpha, members_alpn);
    CHECK_THAT(came.verdict(), Contains("more certificates than 4"));
  }
  SECTION("a hundred") {
    for (int i = 0; i < 100; ++i)
      alpha.chain.push_back(alpha.chain[1]);
    raw_client came(net.listener);
    use(came.client, alpha, members_alpn);
    CHECK_THAT(came.verdict(), Contains("TLS failed"));
    CHECK_FALSE(came.stream.objection());
  }
}

TEST_CASE("a judge that throws refuses") {
  network net;
  const auto listener = must(network_tls::directory(
    identity_of(net.hq, net.pki),
    [](network_purpose, std::span<const byte_vector>)
      -> std::optional<refused> { throw std::runtime_error("out of order"); }));
  network_pair both(net.member(net.pki.member("alpha")), listener);
  CHECK_FALSE(both.shake_hands());
  CHECK_THAT(both.server.failure(), Contains("out of order"));
}

TEST_CASE("control and a network do not take each other's certificates") {
  network net;
  test_pki control;
  const auto server_files = control.issue("gw", control_role::node);
  const auto client_files = control.issue("alice", control_role::operate);
  const auto alpha = net.pki.member("alpha");

  SECTION("control's client at a directory") {
    raw_client came(net.listener);
    came.client.use(client_files);
    const auto bytes = std::as_bytes(std::span(members_alpn));
    SSL_CTX_set_alpn_protos(
      came.client.context(),
      reinterpret_cast<const unsigned char*>(bytes.data()),
      static_cast<unsigned>(bytes.size()));
    CHECK_THAT(came.verdict(), Contains("refused"));
    REQUIRE(came.stream.objection());
  }
  SECTION("control's client as it is") {
    socket_pair sockets;
    auto client = connect(client_of(client_files), std::move(sockets.first));
    auto server = must(net.listener.accept(std::move(sockets.second)));
    for (int round = 0; round < 10; ++round) {
      client.handshake();
      server.handshake();
    }
    CHECK_THAT(server.failure(), Contains("does not speak weft's protocol"));
    CHECK_THAT(client.failure(), Contains("the protocol that we want"));
  }
  SECTION("a member at control's server") {
    const auto context = server_of(server_files);
    socket_pair sockets;
    auto stream = accept(context, std::move(sockets.second));
    raw_peer client(raw_peer::kind::client, std::move(sockets.first));
    use(client, alpha, "");
    CHECK(shake_hands(stream, client) == tls_status::failed);
    CHECK(stream.failure()
          == "the other side's certificate was signed by another authority");
  }
  SECTION("a member at a server whose owner takes the root for control's") {
    auto files = server_files;
    control.put("root.pem",
                to_pem(std::vector{net.pki.root.certificate.der,
                                   net.pki.issuer.certificate.der}));
    control.put("both.pem",
                control.text_of("ca.pem") + control.text_of("root.pem"));
    files.authority = control.path("both.pem");
    files.revocations.clear();
    const auto context = server_of(files);
    socket_pair sockets;
    auto stream = accept(context, std::move(sockets.second));
    raw_peer client(raw_peer::kind::client, std::move(sockets.first));
    use(client, alpha, "");
    shake_hands(stream, client);
    CHECK_FALSE(stream.peer().role); // and so it may do nothing
  }
  SECTION("a directory where control's server is expected") {
    const auto context = client_of(client_files);
    socket_pair sockets;
    auto stream = connect(context, std::move(sockets.first));
    raw_peer server(raw_peer::kind::server, std::move(sockets.second));
    use(server, net.hq, "");
    CHECK(shake_hands(stream, server) == tls_status::failed);
  }
}

TEST_CASE("TLS 1.2, other keys and what is no TLS are refused") {
  network net;
  raw_client came(net.listener);
  SECTION("TLS 1.2") {
    use(came.client, net.pki.member("alpha"), members_alpn);
    SSL_CTX_set_max_proto_version(came.client.context(), TLS1_2_VERSION);
    CHECK(came.verdict() == "the other side does not speak TLS 1.3");
  }
  SECTION("no Ed25519") {
    use(came.client, net.pki.member("alpha"), members_alpn);
    SSL_CTX_set1_sigalgs_list(came.client.context(), "ecdsa_secp256r1_sha256");
    CHECK_THAT(came.verdict(), Contains("TLS failed"));
  }
  SECTION("others") {
    using namespace std::string_view_literals;
    const auto text
      = GENERATE("GET / HTTP/1.1\r\n\r\n"sv, "\x16\x03\x01\x00\x05hello"sv,
                 "\xff\xff\xff\xff\xff\xff\xff"sv);
    const int fd = SSL_get_fd(came.client.ssl());
    REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL)
            == static_cast<ssize_t>(text.size()));
    CHECK(came.stream.handshake().status == tls_status::failed);
    CHECK_FALSE(came.stream.failure().empty());
    CHECK(came.stream.handshake().status == tls_status::failed);
  }
}

TEST_CASE("a handshake that comes byte by byte waits, and is done in the end") {
  network net;
  // Client -> relay -> directory; the relay passes on one byte at a time.
  socket_pair near;
  socket_pair far;
  auto client = must(net.joiner().connect(std::move(near.first)));
  auto server = must(net.listener.accept(std::move(far.second)));
  const auto relay = [](int from, int to) {
    char byte = 0;
    if (::recv(from, &byte, 1, MSG_DONTWAIT) == 1)
      REQUIRE(::send(to, &byte, 1, MSG_NOSIGNAL) == 1);
  };
  auto one = tls_status::wants_read;
  auto two = tls_status::wants_read;
  for (int step = 0; step < 20'000 && (waits(one) || waits(two)); ++step) {
    if (waits(one))
      one = client.handshake().status;
    if (waits(two))
      two = server.handshake().status;
    relay(near.second.get(), far.first.get());
    relay(far.first.get(), near.second.get());
  }
  CHECK(one == tls_status::done);
  CHECK(two == tls_status::done);
}

TEST_CASE("a side that goes away within the handshake is told of") {
  network net;
  socket_pair sockets;
  auto server = must(net.listener.accept(std::move(sockets.second)));
  CHECK(server.handshake().status == tls_status::wants_read);
  sockets.first.reset();
  CHECK(server.handshake().status == tls_status::failed);
  CHECK(server.failure() == "the other side broke the connection off");
}

TEST_CASE("nothing is given to members that lets them resume a session") {
  network net;
  raw_client came(net.listener);
  use(came.client, net.pki.member("alpha"), members_alpn);
  REQUIRE(came.verdict() == "accepted");
  REQUIRE(came.stream.write(bytes_of("hello")).status == tls_status::done);
  std::array<char, 16> text{};
  REQUIRE(SSL_read(came.client.ssl(), text.data(), 16) == 5);
  CHECK(came.client.sessions() == 0);
  CHECK(std::string_view(SSL_get_version(came.client.ssl())) == "TLSv1.3");
}

TEST_CASE("a context is made of what belongs together") {
  network net;
  const auto alpha = net.pki.member("alpha");
  auto identity = identity_of(alpha, net.pki);
  SECTION("no chain") {
    identity.chain.clear();
  }
  SECTION("a damaged one") {
    identity.chain[1].pop_back();
  }
  SECTION("another's key") {
    identity.seed = net.hq.seed;
  }
  SECTION("too much") {
    identity.chain.resize(5, identity.chain[1]);
  }
  const auto made = network_tls::member(identity, welcome_all);
  REQUIRE_FALSE(made);
  CHECK_THAT(made.error().message, Contains("the node's certificate"));
  auto rootless = identity_of(net.hq, net.pki);
  rootless.root.clear();
  CHECK_FALSE(network_tls::directory(rootless, welcome_all));
  socket_pair sockets;
  CHECK_FALSE(net.listener.connect(std::move(sockets.first)));
  CHECK_FALSE(net.joiner().accept(std::move(sockets.second)));
}
