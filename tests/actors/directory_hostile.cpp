// Who wants in where it does not belong, wants too much, or too slowly.
#include "platform/connect.hpp"
#include "tests/actors/directory_support.hpp"
#include "tests/actors/line_sink.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// A TCP connection that speaks no TLS.
class plain_client {
public:
  explicit plain_client(const endpoint& to)
    : socket_(must(start_connect_tcp(to))) {
    pollfd ready{socket_.get(), POLLOUT, 0};
    REQUIRE(::poll(&ready, 1, 60'000) == 1);
  }
  void send(std::string_view text) const {
    std::ignore = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  bool is_ended() const {
    for (;;) {
      pollfd ready{socket_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 60'000) != 1)
        return false;
      std::array<char, 4096> part{};
      if (::recv(socket_.get(), part.data(), part.size(), 0) <= 0)
        return true;
    }
  }

private:
  file_descriptor socket_;
};

network_identity identity_of(const network_holder& who) {
  return {who.chain, who.seed, {}};
}

/// Whether a directory takes it as a member.
bool is_welcome(directory_home& net, const network_identity& who) {
  directory_client client(directory_home::tls_of(who, net.pki), net.where());
  if (!client.shake_hands())
    return false;
  client.send(member_hello{});
  const auto answer = client.next_message();
  return answer && std::holds_alternative<directory_welcome>(*answer);
}

/// A length in front of a frame that nobody sends.
byte_vector length_of(std::uint32_t size) {
  byte_vector frame;
  for (int shift = 24; shift >= 0; shift -= 8)
    frame.push_back(std::byte(size >> shift)); // NOLINT
  return frame;
}

network_tls joiner() {
  return must(
    network_tls::joiner([](network_purpose, std::span<const byte_vector>) {
      return std::optional<refused>{};
    }));
}

} // namespace

TEST_CASE("members of this network alone are let in as members") {
  directory_home net;
  net.start();
  network_pki other("other");
  CHECK(is_welcome(net, identity_of(net.pki.member("beta"))));
  CHECK_FALSE(is_welcome(net, identity_of(other.member("beta"))));
  CHECK_FALSE(is_welcome(net, identity_of(net.pki.directory("gamma"))));
  CHECK_FALSE(
    is_welcome(net, identity_of(net.pki.member("delta", network_pki::past))));
  // Another network's certificate behind this one's.
  auto mixed = identity_of(other.member("beta"));
  mixed.chain.back() = net.pki.issuer.certificate.der;
  CHECK_FALSE(is_welcome(net, mixed));
  CHECK(net.becomes([](const auto& now) { return now.unknown == 0; }));
  CHECK(net.state().turned_away >= 4);
}

TEST_CASE("a member whose certificate has ended is refused each time, and told "
          "of once an hour") {
  directory_home net;
  const auto lines = std::make_shared<line_sink>();
  net.options.log = std::make_shared<spdlog::logger>("test", lines);
  net.start();
  const network_validity ended{network_pki::now - 50min,
                               network_pki::now - 10min};
  const auto late = identity_of(net.pki.member("delta", ended));
  const auto other = identity_of(net.pki.member("gamma", ended));
  const auto refused_so_far = [&] { return net.state().turned_away; };
  for (std::uint64_t attempt = 1; attempt <= 3; ++attempt) {
    CHECK_FALSE(is_welcome(net, late));
    CHECK(eventually([&] { return refused_so_far() == attempt; }));
  }
  CHECK(lines->count("'delta' has expired") == 1);
  CHECK_FALSE(is_welcome(net, other));
  CHECK(lines->count("'gamma' has expired") == 1);
  net.clock->skip(std::chrono::hours{1});
  CHECK_FALSE(is_welcome(net, late));
  CHECK(lines->count("'delta' has expired") == 2);
}

TEST_CASE("who speaks no TLS to a directory, or nothing, is cut off") {
  directory_limits limits;
  limits.handshake = 300ms;
  directory_home net(limits);
  net.start();
  const plain_client silent(net.where());
  const plain_client wrong(net.where());
  wrong.send("GET / HTTP/1.1\r\n\r\n");
  CHECK(wrong.is_ended());
  CHECK(silent.is_ended());
  CHECK(net.becomes([](const auto& now) { return now.unknown == 0; }));
}

TEST_CASE("connections that say nothing take nobody's place") {
  directory_limits limits;
  limits.unknown = 4;
  limits.unknown_of_source = 100;
  limits.new_of_source_in_second = 1000;
  limits.handshake = 1h;
  directory_home net(limits);
  net.start();
  const auto where = net.where();
  std::vector<plain_client> silent;
  for (int i = 0; i < 12; ++i)
    silent.emplace_back(where);
  CHECK(net.join(net.issuer.invite(), "beta").answer);
  CHECK(net.state().unknown <= limits.unknown);
  CHECK(silent.front().is_ended());
}

TEST_CASE("of one source no more may be unknown than it is given") {
  directory_limits limits;
  limits.unknown_of_source = 3;
  limits.handshake = 1h;
  directory_home net(limits);
  net.start();
  const auto where = net.where();
  std::vector<plain_client> silent;
  for (int i = 0; i < 3; ++i)
    silent.emplace_back(where);
  CHECK(net.becomes([](const auto& now) { return now.unknown == 3; }));
  CHECK(plain_client(where).is_ended());
  CHECK(net.state().unknown == 3);
}

TEST_CASE("new connections beyond their rate are turned away") {
  directory_limits limits;
  limits.new_of_source_in_second = 2;
  limits.handshake = 1h;
  directory_home net(limits);
  net.start();
  const auto where = net.where();
  std::vector<plain_client> many;
  for (int i = 0; i < 10; ++i)
    many.emplace_back(where);
  CHECK(net.becomes([](const auto& now) { return now.turned_away > 0; }));
  CHECK(net.state().unknown < 10);
}

TEST_CASE("a node that joins slowly, or says too much, is cut off") {
  directory_limits limits;
  limits.joining_patience = 300ms;
  directory_home net(limits);
  net.start();
  const auto tls = joiner();
  directory_client slow(tls, net.where());
  REQUIRE(slow.shake_hands());
  CHECK(slow.next()); // the challenge
  CHECK(slow.is_ended());
  directory_client large(tls, net.where());
  REQUIRE(large.shake_hands());
  large.send(length_of(1U << 30));
  CHECK(large.is_ended());
  directory_client wrong(tls, net.where());
  REQUIRE(wrong.shake_hands());
  CHECK(wrong.next());
  wrong.send(with_length(byte_vector(100, std::byte{7})));
  CHECK_FALSE(must(read_join_answer(wrong.next().value())));
  CHECK(wrong.is_ended());
  CHECK(net.issuer.asked() == 0);
  CHECK(net.becomes([](const auto& now) { return now.joining == 0; }));
}

TEST_CASE("a request to join that was proven elsewhere is refused") {
  directory_home net;
  net.start();
  const auto tls = joiner();
  directory_client client(tls, net.where());
  REQUIRE(client.shake_hands());
  join_challenge challenge;
  const auto got = client.next().value();
  std::copy(got.begin(), got.end(), challenge.ephemeral.bytes.begin());
  const auto keys = net.draw_keys(net.issuer.invite());
  const auto asked
    = prove(keys, net.pki.network, "beta", tls_exporter{}, challenge);
  client.send(with_length(encode(asked.value())));
  const auto answer = must(read_join_answer(client.next().value()));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().why == refusal::bad_signature);
  CHECK(net.issuer.asked() == 0);
}

TEST_CASE("no more join at once than a directory lets") {
  directory_limits limits;
  limits.joining = 0;
  directory_home net(limits);
  net.start();
  const auto beta = net.join(net.issuer.invite(), "beta");
  REQUIRE_FALSE(beta.answer);
  CHECK(beta.answer.error().why == refusal::unavailable);
  CHECK(net.issuer.asked() == 0);
}

TEST_CASE("who begins to join and says nothing takes nobody's place") {
  directory_limits limits;
  limits.unknown = 4;
  limits.joining = 1;
  limits.joining_patience = 1h;
  directory_home net(limits);
  net.start();
  const auto where = net.where();
  const auto tls = joiner();
  std::vector<std::unique_ptr<directory_client>> silent;
  for (int i = 0; i < 8; ++i) {
    silent.push_back(std::make_unique<directory_client>(tls, where));
    REQUIRE(silent.back()->shake_hands());
    CHECK(silent.back()->next()); // the challenge
  }
  CHECK(net.join(net.issuer.invite(), "beta").answer);
  CHECK(net.state().unknown <= limits.unknown);
  CHECK(silent.front()->is_ended());
}

TEST_CASE("a member that says what is no message, or too much, is cut off") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(3);
  const auto beta = net.join(token, "beta");
  auto large = net.connect_and_greet(beta);
  large.send(length_of(most_member_frame_bytes + 1));
  CHECK(large.is_ended());
  auto garbage = net.connect_and_greet(beta);
  garbage.send(with_length(byte_vector(100, std::byte{0xff})));
  CHECK(garbage.next_of<request_refused>().number == 0);
  CHECK(garbage.is_ended());
  auto flood = net.connect_and_greet(beta);
  byte_vector pings;
  for (int i = 0; i < 2000; ++i) {
    const auto one = encode_frame(member_message{members_ping{}});
    pings.insert(pings.end(), one.begin(), one.end());
  }
  flood.send(pings);
  CHECK(flood.next_of<request_refused>().why.why == refusal::not_allowed);
  CHECK(flood.is_ended());
  CHECK(net.becomes([](const auto& now) { return now.connected == 0; }));
}

TEST_CASE("a member that reads nothing is let go of, and holds up nobody") {
  directory_limits limits;
  limits.stuck = 1s;
  limits.queued_bytes = std::size_t{1} << 30;
  directory_home net(limits);
  net.start();
  const auto token = net.issuer.invite(2);
  const auto beta = net.join(token, "beta");
  const auto gamma = net.join(token, "gamma");
  net.issuer.publish_ballast(10);
  REQUIRE(net.becomes([](const auto& now) { return now.items > 10; }));
  auto deaf = net.connect_and_greet(beta);
  const int small = 4096;
  REQUIRE(::setsockopt(deaf.stream().descriptor(), SOL_SOCKET, SO_RCVBUF,
                       &small, sizeof small)
          == 0);
  auto other = net.connect_and_greet(gamma);
  // 4 MB each time, until more waits than the kernel takes.
  CHECK(net.becomes([&](const auto& now) {
    if (now.connected < 2)
      return true;
    deaf.send(compare_items{bucket_table{}.digests()});
    for (int page = 0; page < 10; ++page)
      deaf.send(next_page{});
    std::this_thread::sleep_for(1s); // a member may not ask faster
    return false;
  }));
  other.send(members_ping{});
  std::ignore = other.next_of<members_pong>();
}
