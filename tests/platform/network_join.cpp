#include "platform/network_join.hpp"

#include "platform/clock.hpp"
#include "platform/connect.hpp"
#include "platform/stream.hpp"
#include "tests/platform/network_tls_support.hpp"

#include <atomic>
#include <functional>
#include <thread>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

constexpr auto generous = std::chrono::seconds{60};

/// What a test's directory sends in the place of the answer.
using answerer = std::function<byte_vector(const join_request&)>;

/// A directory for those who join, on a thread of its own: real TLS, challenge
/// and check of the proof.  The answer is the test's.
class joining_directory {
public:
  /// `first`: what it sends in the place of the challenge; empty: the
  /// challenge.
  joining_directory(network_tls tls, answerer answer, byte_vector first = {})
    : tls_(std::move(tls)), answer_(std::move(answer)),
      first_(std::move(first)), thread_([this] { serve(); }) {
  }
  joining_directory(const joining_directory&) = delete;
  joining_directory& operator=(const joining_directory&) = delete;
  ~joining_directory() {
    stopped_ = true;
    thread_.join();
  }
  directory_address address() const {
    return {"127.0.0.1", listener_.where().port};
  }
  /// Proofs that were right.
  int proven() const {
    return proven_;
  }

private:
  void serve() {
    while (!stopped_) {
      constexpr auto short_while = std::chrono::milliseconds{20};
      if (!wait_readable(listener_.descriptor(), boot_now() + short_while))
        continue;
      auto came = listener_.accept();
      if (!came.fd)
        continue;
      auto stream = tls_.accept(std::move(came.fd));
      if (stream)
        talk(*stream);
    }
  }
  /// What goes wrong shows at the client.
  void talk(network_stream& with) {
    if (!go(with, [&] { return with.handshake(); }))
      return;
    const auto ephemeral = generate_private_key(random_);
    const auto challenge = derive_public_key(ephemeral).bytes;
    send(with, first_.empty() ? byte_vector(challenge.begin(), challenge.end())
                              : first_);
    const auto frame = receive(with);
    const auto asked = read_proven_request(frame);
    if (asked) {
      const auto request
        = check_proof(*asked, with.exporter(join_exporter_label), ephemeral);
      proven_ += request ? 1 : 0;
      const auto answer = request ? answer_(*request) : byte_vector{};
      if (!answer.empty())
        send(with, answer);
    }
    with.shutdown();
  }
  template <class Operation>
  std::size_t go(network_stream& on, Operation operation) {
    for (;;) {
      const tls_result done = operation();
      if (done.status == tls_status::done)
        return done.bytes + 1;
      if (!waits(done.status) || stopped_)
        return 0;
      wait_readable(on.descriptor(), boot_now() + std::chrono::milliseconds{5});
    }
  }
  void send(network_stream& on, const byte_vector& body) {
    byte_array<4> size{};
    store_be(size.data(), static_cast<std::uint32_t>(body.size()));
    const auto frame = joined({size, body});
    for (const_byte_span left = frame; !left.empty();) {
      const auto sent = go(on, [&] { return on.write(left); });
      if (sent == 0)
        return;
      left = left.subspan(sent - 1);
    }
  }
  byte_vector receive(network_stream& on) {
    byte_vector all;
    std::array<std::byte, 4096> part{};
    while (all.size() < 4
           || all.size() < 4 + load_be<std::uint32_t>(all.data())) {
      const auto got = go(on, [&] { return on.read(part); });
      if (got == 0)
        return {};
      all.insert(all.end(), part.begin(), part.begin() + long(got - 1));
    }
    return {all.begin() + 4, all.end()};
  }

  network_tls tls_;
  answerer answer_;
  byte_vector first_;
  system_random random_;
  tcp_listener listener_
    = must(tcp_listener::open(*parse_endpoint("127.0.0.1:0")));
  std::atomic<bool> stopped_ = false;
  std::atomic<int> proven_ = 0;
  std::thread thread_;
};

/// A network, and a node with a token for it.
struct newcomer {
  network_pki pki;
  signing_seed certificate_key = draw_signing_seed(pki.random);
  private_key wireguard_key = generate_private_key(pki.random);
  join_token token{
    {}, fingerprint_of(pki.root.certificate), draw_signing_seed(pki.random)};

  std::chrono::milliseconds persistence{0};

  network_time now = network_pki::now;

  network_tls listener(const network_holder& who) {
    return must(network_tls::directory(identity_of(who, pki), welcome_all));
  }
  network_tls listener() {
    return listener(pki.directory("hq"));
  }
  /// The certificate that a request gets.
  join_admission admit(const join_request& request) {
    auto contents = pki.member_named(request.name.value_or("invited"));
    contents.key = request.key;
    const auto made = must(
      make_network_certificate(contents, request.certificate, network_pki::year,
                               pki.issuer, pki.random));
    return {{made.der, pki.issuer.certificate.der},
            sealed_secret{3, byte_vector(32)}};
  }
  answerer admitting() {
    return [this](const join_request& request) {
      return encode(join_answer{admit(request)});
    };
  }
  auto ask(std::optional<std::string> name = "beta") {
    return ask_to_join({.token = token,
                        .certificate_key = certificate_key,
                        .wireguard_key = wireguard_key,
                        .name = std::move(name),
                        .now = now,
                        .patience = generous,
                        .persistence = persistence});
  }
  join_failure fail() {
    auto asked = ask();
    if (asked)
      FAIL("it was let in");
    INFO(asked.error().message);
    CHECK_THAT(asked.error().message,
               Catch::StartsWith("Cannot join the network: "));
    return std::move(asked.error());
  }
};

using kind = join_failure::kind;

/// A port of this host that nobody listens at.
directory_address nobody() {
  const auto listener
    = must(tcp_listener::open(*parse_endpoint("127.0.0.1:0")));
  return {"127.0.0.1", listener.where().port};
}

} // namespace

TEST_CASE("who has a token is let in, with the root and its certificate") {
  newcomer beta;
  joining_directory hq(beta.listener(), beta.admitting());
  beta.token.directories = {hq.address()};
  const auto let_in = beta.ask();
  if (!let_in)
    FAIL(let_in.error().message);
  CHECK(let_in->root.der == beta.pki.root.certificate.der);
  CHECK(let_in->member.key == derive_verifying_key(beta.certificate_key));
  CHECK(std::get<member_contents>(let_in->member.contents).name == "beta");
  CHECK(let_in->admission.certificates.size() == 2);
  CHECK(let_in->admission.secret);
  CHECK(hq.proven() == 1);
  // The invitation's name, by a host's name.
  beta.token.directories = {{"localhost", hq.address().port}};
  CHECK(beta.ask(std::nullopt));
}

TEST_CASE("directories are asked in turn until one lets the node in") {
  newcomer beta;
  network_pki foreign;
  joining_directory stranger(
    must(network_tls::directory(identity_of(foreign.directory("hq"), foreign),
                                welcome_all)),
    beta.admitting());
  joining_directory busy(beta.listener(), [](const join_request&) {
    return encode(
      join_answer{refuse(refusal::not_allowed, "the issuer is away")});
  });
  joining_directory hq(beta.listener(), beta.admitting());
  beta.token.directories
    = {nobody(), stranger.address(), busy.address(), hq.address()};
  CHECK(beta.ask());
  CHECK(stranger.proven() == 0);
  CHECK(busy.proven() == 1);
  CHECK(hq.proven() == 1);

  beta.token.directories.pop_back();
  const auto failure = beta.fail();
  CHECK(failure.what == kind::refused);
  REQUIRE(failure.refusal);
  CHECK(failure.refusal->what == "the issuer is away");
  for (const auto& each : beta.token.directories)
    CHECK_THAT(failure.message, Contains(to_string(each)));
}

TEST_CASE("what is wrong with a directory is said") {
  newcomer beta;
  SECTION("nobody listens") {
    beta.token.directories = {nobody()};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::unreachable);
    CHECK_THAT(failure.message, Contains("refused"));
    CHECK_THAT(failure.message, Contains(to_string(beta.token.directories[0])));
  }
  SECTION("there is no such host") {
    beta.token.directories = {{"no-such-host.invalid", 7000}};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::unreachable);
    CHECK_THAT(failure.message, Contains("no-such-host.invalid"));
  }
  SECTION("another root") {
    joining_directory hq(beta.listener(), beta.admitting());
    beta.token.directories = {hq.address()};
    beta.token.root[0] ^= std::byte{1};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::other_network);
    CHECK_THAT(failure.message, Contains(to_hex_text(beta.token.root))
                                  && Contains(to_hex_text(fingerprint_of(
                                    beta.pki.root.certificate))));
    CHECK(hq.proven() == 0);
  }
  SECTION("a member in its place") {
    joining_directory hq(beta.listener(beta.pki.member("gw")),
                         beta.admitting());
    beta.token.directories = {hq.address()};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::other_network);
    CHECK_THAT(failure.message, Contains("no directory"));
  }
  SECTION("an expired one") {
    joining_directory hq(
      beta.listener(beta.pki.directory("hq", network_pki::past)),
      beta.admitting());
    beta.token.directories = {hq.address()};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::untimely);
    CHECK_THAT(failure.message, Contains("has expired"));
  }
  SECTION("no TLS") {
    const auto listener
      = must(tcp_listener::open(*parse_endpoint("127.0.0.1:0")));
    beta.token.directories = {{"127.0.0.1", listener.where().port}};
    std::thread other([&] {
      wait_readable(listener.descriptor(), boot_now() + generous);
      auto came = const_cast<tcp_listener&>(listener).accept();
      write_some(came.fd.get(), "SSH-2.0-OpenSSH_9.2\r\n");
      wait_readable(came.fd.get(), boot_now() + generous);
    });
    const auto failure = beta.fail();
    other.join();
    CHECK(failure.what == kind::unreachable);
  }
}

TEST_CASE("a wrong clock is named, with both times and the remedy") {
  newcomer beta;
  joining_directory hq(beta.listener(), beta.admitting());
  beta.token.directories = {hq.address()};
  SECTION("in 1970") {
    beta.now = network_time{};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::untimely);
    CHECK_THAT(failure.message,
               Contains("holds only from 2027-01-15 07:00")
                 && Contains("by the clock here it is 1970-01-01 00:00 (UTC)")
                 && Contains("The clock of this host is slow: set it")
                 && !Contains("Ask for a new token"));
  }
  SECTION("in 2100") {
    beta.now
      = network_time{std::chrono::sys_days{std::chrono::year{2100} / 1 / 1}};
    const auto failure = beta.fail();
    CHECK(failure.what == kind::untimely);
    CHECK_THAT(failure.message,
               Contains("it held until 2028-01-15 08:00")
                 && Contains("by the clock here it is 2100-01-01 00:00 (UTC)")
                 && Contains("the clock of this host is fast: set it"));
  }
  SECTION("and right, the same token and keys serve") {
  }
  beta.now = network_pki::now;
  CHECK(beta.ask());
}

TEST_CASE("a certificate that does not count yet for its own node is a matter "
          "of clocks") {
  newcomer beta;
  joining_directory hq(beta.listener(), [&](const join_request& request) {
    auto contents = beta.pki.member_named("beta");
    contents.key = request.key;
    constexpr std::chrono::hours later{1};
    const auto made = must(make_network_certificate(
      contents, request.certificate,
      {network_pki::now + later, network_pki::now + 24 * later},
      beta.pki.issuer, beta.pki.random));
    return encode(join_answer{
      join_admission{{made.der, beta.pki.issuer.certificate.der}, {}}});
  });
  beta.token.directories = {hq.address()};
  const auto failure = beta.fail();
  CHECK(failure.what == kind::untimely);
  CHECK_THAT(failure.message,
             Contains("the certificate that it gave does not hold")
               && Contains("The clock of this host is slow"));
}

TEST_CASE("a refusal is told in the issuer's words") {
  newcomer beta;
  joining_directory hq(beta.listener(), [](const join_request&) {
    return encode(
      join_answer{refuse(refusal::used_up, "the token has let in 1 of 1")});
  });
  beta.token.directories = {hq.address()};
  const auto failure = beta.fail();
  CHECK(failure.what == kind::refused);
  REQUIRE(failure.refusal);
  CHECK(failure.refusal->why == refusal::used_up);
  CHECK_THAT(failure.message, Contains("the token has let in 1 of 1"));
}

TEST_CASE("a directory that does not hear the request can say why at once") {
  newcomer beta;
  joining_directory hq(
    beta.listener(), beta.admitting(),
    encode(join_answer{refuse(refusal::not_allowed, "too many join at once")}));
  beta.token.directories = {hq.address()};
  const auto failure = beta.fail();
  CHECK(failure.what == kind::refused);
  CHECK_THAT(failure.message, Contains("too many join at once"));
}

TEST_CASE("a directory that has too much to do is asked again") {
  newcomer beta;
  beta.persistence = generous;
  std::atomic<int> asked = 0;
  const auto busy = [&](const byte_vector& first_answer) -> answerer {
    return [&, first_answer](const join_request& request) {
      return asked++ == 0 ? first_answer
                          : encode(join_answer{beta.admit(request)});
    };
  };
  SECTION("after it has said so") {
    joining_directory hq(
      beta.listener(), busy(encode(join_answer{
                         refuse(refusal::unavailable, "too many join now")})));
    beta.token.directories = {hq.address()};
    CHECK(beta.ask());
    CHECK(asked == 2);
  }
  SECTION("after it has ended the connection without a word") {
    joining_directory hq(beta.listener(), busy({}));
    beta.token.directories = {hq.address()};
    CHECK(beta.ask());
    CHECK(asked == 2);
  }
  SECTION("but not after a no of another one") {
    joining_directory hq(
      beta.listener(), busy(encode(join_answer{
                         refuse(refusal::unavailable, "too many join now")})));
    joining_directory other(beta.listener(), [](const join_request&) {
      return encode(join_answer{refuse(refusal::used_up, "used up")});
    });
    beta.token.directories = {hq.address(), other.address()};
    CHECK(beta.fail().refusal->why == refusal::used_up);
    CHECK(asked == 1);
  }
}

TEST_CASE("an answer that is none, or for somebody else, lets nobody in") {
  newcomer beta;
  answerer answer;
  std::string told;
  const auto change = [&](auto how) {
    answer = [&beta, how](const join_request& request) {
      auto asked = request;
      how(asked);
      return encode(join_answer{beta.admit(asked)});
    };
  };
  SECTION("garbage") {
    answer = [](const join_request&) { return byte_vector(100); };
    told = "cannot be read";
  }
  SECTION("too much") {
    answer = [](const join_request&) { return byte_vector(1 << 20); };
    told = "too many";
  }
  SECTION("another WireGuard key") {
    change([](join_request& asked) { asked.key.bytes[0] ^= std::byte{1}; });
    told = "not for this node";
  }
  SECTION("another key of the certificate") {
    change([](join_request& asked) {
      system_random random;
      asked.certificate = derive_verifying_key(draw_signing_seed(random));
    });
    told = "not for this node";
  }
  SECTION("another name") {
    change([](join_request& asked) { asked.name = "gamma"; });
    told = "not for this node";
  }
  SECTION("another network's") {
    auto other = std::make_shared<newcomer>();
    answer = [other](const join_request& request) {
      return encode(join_answer{other->admit(request)});
    };
    told = "does not hold";
  }
  SECTION("a directory's") {
    answer = [&](const join_request& request) {
      const auto made = must(make_network_certificate(
        directory_contents{beta.pki.network, "beta"}, request.certificate,
        network_pki::year, beta.pki.issuer, beta.pki.random));
      return encode(join_answer{
        join_admission{{made.der, beta.pki.issuer.certificate.der}, {}}});
    };
    told = "not for this node";
  }
  joining_directory hq(beta.listener(), answer);
  beta.token.directories = {hq.address()};
  const auto failure = beta.fail();
  CHECK(failure.what == kind::bad_answer);
  CHECK_THAT(failure.message, Contains(told));
}

TEST_CASE("a challenge that no honest directory makes is not answered") {
  newcomer beta;
  const byte_vector low_order(32);
  const byte_vector too_long(33, std::byte{7});
  for (const auto& first : {low_order, too_long}) {
    joining_directory hq(beta.listener(), beta.admitting(), first);
    beta.token.directories = {hq.address()};
    CHECK(beta.fail().what == kind::bad_answer);
    CHECK(hq.proven() == 0);
  }
}

TEST_CASE("nobody is waited for longer than there is patience") {
  newcomer beta;
  // Connections stand by the kernel alone, and nothing is ever said.
  const auto silent = must(tcp_listener::open(*parse_endpoint("127.0.0.1:0")));
  beta.token.directories
    = {{"127.0.0.1", silent.where().port}, {"127.0.0.1", silent.where().port}};
  const auto before = boot_now();
  const auto asked = ask_to_join({.token = beta.token,
                                  .certificate_key = beta.certificate_key,
                                  .wireguard_key = beta.wireguard_key,
                                  .now = network_pki::now,
                                  .patience = std::chrono::milliseconds{200}});
  REQUIRE_FALSE(asked);
  CHECK(asked.error().what == kind::unreachable);
  CHECK_THAT(asked.error().message, Contains("did not answer in time"));
  CHECK(boot_now() - before < generous);
}
