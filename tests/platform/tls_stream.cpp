// What passes between two ends that trust each other.
#include "tests/platform/tls_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// Sends what a test gives it, and keeps what comes.
struct flow {
  tls_stream& stream;
  std::vector<std::byte> to_send;
  std::vector<std::byte> received{};
  std::size_t sent = 0;
  std::size_t stalls = 0;

  void step() {
    if (sent < to_send.size()) {
      // The same bytes, but at another place at each try.
      const std::vector<std::byte> rest(
        to_send.begin() + static_cast<std::ptrdiff_t>(sent), to_send.end());
      const auto done = stream.write(rest);
      REQUIRE((done.status == tls_status::done || waits(done.status)));
      CHECK(done.bytes <= 16384);
      sent += done.bytes;
      stalls += waits(done.status) ? 1U : 0U;
    }
    std::array<std::byte, 700> bytes{};
    const auto got = stream.read(bytes);
    REQUIRE((got.status == tls_status::done || waits(got.status)));
    received.insert(received.end(), bytes.begin(),
                    bytes.begin() + static_cast<std::ptrdiff_t>(got.bytes));
  }
};

} // namespace

TEST_CASE("the end of a connection is told from one that was cut") {
  test_pki pki;
  const auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair both{client, server};
  REQUIRE(both.established());
  SECTION("ended: the other direction goes on") {
    CHECK(both.client.shutdown().status == tls_status::done);
    CHECK(read_text(both.server) == "closed");
    CHECK(read_text(both.server) == "closed");
    CHECK(carries(both.server, both.client, "a last word"));
    CHECK(both.server.shutdown().status == tls_status::done);
    CHECK(read_text(both.client) == "closed");
  }
  SECTION("cut") {
    { const auto gone = std::move(both.client); }
    CHECK(read_text(both.server)
          == "failed: the other side broke the connection off");
    CHECK(both.server.shutdown().status == tls_status::failed);
  }
  SECTION("cut while writing") {
    { const auto gone = std::move(both.client); }
    CHECK(both.server.write(bytes_of("x")).status == tls_status::failed);
    CHECK(both.server.failure() == "the other side broke the connection off");
  }
}

TEST_CASE("a handshake may come byte by byte") {
  test_pki pki;
  const auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  socket_pair to_client;
  socket_pair to_server;
  auto one = connect(client, std::move(to_client.first));
  auto two = accept(server, std::move(to_server.first));
  const auto pass_a_byte = [](int from, int to) {
    char byte = 0;
    if (::recv(from, &byte, 1, MSG_DONTWAIT) == 1)
      REQUIRE(::send(to, &byte, 1, MSG_NOSIGNAL) == 1);
  };
  auto first = tls_status::wants_read;
  auto second = tls_status::wants_read;
  int rounds = 0;
  for (; (waits(first) || waits(second)) && rounds < 100'000; ++rounds) {
    if (waits(first))
      first = one.handshake().status;
    if (waits(second))
      second = two.handshake().status;
    pass_a_byte(to_client.second.get(), to_server.second.get());
    pass_a_byte(to_server.second.get(), to_client.second.get());
  }
  CHECK(first == tls_status::done);
  CHECK(second == tls_status::done);
  CHECK(rounds > 500);
  CHECK(two.peer().name == "alice");
}

TEST_CASE("large transfers in both directions pass through tiny buffers") {
  test_pki pki;
  const auto server = server_of(pki.issue("gw", control_role::node));
  const auto client = client_of(pki.issue("alice", control_role::operate));
  connection_pair both{client, server, "localhost", socket_pair{true}};
  REQUIRE(both.established());
  flow up{both.client, pattern(300'000, 1)};
  flow down{both.server, pattern(200'000, 2)};
  for (int round = 0; round < 100'000
                      && (down.received.size() < up.to_send.size()
                          || up.received.size() < down.to_send.size());
       ++round) {
    up.step();
    down.step();
  }
  CHECK((down.received == up.to_send));
  CHECK((up.received == down.to_send));
  CHECK(up.stalls > 0);
  CHECK(down.stalls > 0);
}
