#include "protocol/tunnel/cookie.hpp"

#include "protocol/tunnel/blake2s.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <algorithm>

namespace {

using namespace std::chrono_literals;
using namespace weft;
using namespace weft::test;
using verdict = cookie_checker::verdict;

const time_point start = time_point(10h);

endpoint at(std::string_view address, std::uint16_t port = 1000) {
  const auto bytes = unhex(address);
  return {bytes.size() == 4 ? ip_address::from_v4(bytes.data())
                            : ip_address::from_v6(bytes.data()),
          port, 0};
}

const endpoint source_v4 = at("c0000201");
const endpoint source_v6 = at("20010db8000000000000000000000001");

/// A host that is under load, and one that wants to shake hands with it.
struct parties {
  deterministic_random random{3};
  public_key busy = derive_public_key(generate_private_key(random));
  cookie_checker checker{busy, random};
  cookie_stamper stamper{busy};
  initiation_message message = some_message();

  initiation_message some_message() {
    initiation_message result{};
    random.fill(result);
    store_le<std::uint32_t>(result.data(), 1);
    return result;
  }

  /// Gets a cookie for `source`, received at `now`.
  void get_cookie(const endpoint& source, time_point now) {
    auto first = some_message();
    stamper.stamp(first, now);
    REQUIRE(stamper.consume_reply(checker.make_reply(first, source, now), now));
  }

  bool has_mac2() const {
    return std::any_of(message.end() - 16, message.end(),
                       [](auto byte) { return byte != std::byte{0}; });
  }
};

} // namespace

TEST_CASE_METHOD(parties, "A stamped message has a valid MAC1 and no MAC2") {
  stamper.stamp(message, start);
  CHECK(checker.check(message, source_v4, start) == verdict::valid_mac1);
  CHECK_FALSE(has_mac2());

  response_message response{};
  response[0] = std::byte{2};
  CHECK(checker.check(response, source_v4, start) == verdict::invalid_mac);
  stamper.stamp(response, start);
  CHECK(checker.check(response, source_v4, start) == verdict::valid_mac1);
}

TEST_CASE_METHOD(parties, "MAC1 covers every byte in front of it") {
  stamper.stamp(message, start);
  for (std::size_t i = 0; i < message.size() - 16; ++i) {
    auto changed = message;
    changed[i] ^= std::byte{1};
    CAPTURE(i);
    REQUIRE(checker.check(changed, source_v4, start) == verdict::invalid_mac);
  }
}

TEST_CASE_METHOD(parties, "MAC1 is made for one receiver") {
  const auto other = derive_public_key(generate_private_key(random));
  cookie_stamper(other).stamp(message, start);
  CHECK(checker.check(message, source_v4, start) == verdict::invalid_mac);
}

TEST_CASE_METHOD(parties, "A cookie makes MAC2 valid for initiations and "
                          "responses") {
  for (const auto& source : {source_v4, source_v6}) {
    get_cookie(source, start);
    stamper.stamp(message, start);
    CHECK(has_mac2());
    CHECK(checker.check(message, source, start) == verdict::valid_mac2);
    response_message response{};
    stamper.stamp(response, start);
    CHECK(checker.check(response, source, start) == verdict::valid_mac2);
  }
}

TEST_CASE_METHOD(parties, "A response can be answered with a cookie") {
  response_message response{};
  store_le<std::uint32_t>(&response[4], 0x11223344);
  stamper.stamp(response, start);
  const auto reply = checker.make_reply(response, source_v4, start);
  CHECK(load_le<std::uint32_t>(&reply[8 - 4]) == 0x11223344);
  REQUIRE(stamper.consume_reply(reply, start));
  stamper.stamp(message, start);
  CHECK(checker.check(message, source_v4, start) == verdict::valid_mac2);
}

TEST_CASE_METHOD(parties, "A cookie reply names the sender of the message it "
                          "answers") {
  store_le<std::uint32_t>(&message[4], 0xdeadbeef);
  stamper.stamp(message, start);
  const auto reply = checker.make_reply(message, source_v4, start);
  CHECK(wire::classify(reply) == message_type::cookie_reply);
  CHECK(load_le<std::uint32_t>(&reply[4]) == 0xdeadbeef);
  // Each has a nonce of its own.
  const auto again = checker.make_reply(message, source_v4, start);
  CHECK_FALSE(std::equal(&reply[8], &reply[32], &again[8]));
}

TEST_CASE_METHOD(parties, "The cookie covers the source's address and port") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start);
  REQUIRE(checker.check(message, source_v4, start) == verdict::valid_mac2);
  for (const auto& other :
       {at("c0000201", 1001), at("c0000201", 1000 + 256), at("c0000202"),
        at("c1000201"), source_v6, at("c0000201000000000000000000000000")})
    CHECK(checker.check(message, other, start) == verdict::valid_mac1);

  get_cookie(source_v6, start);
  stamper.stamp(message, start);
  REQUIRE(checker.check(message, source_v6, start) == verdict::valid_mac2);
  for (const auto& other :
       {at("20010db8000000000000000000000001", 999),
        at("20010db8000000000000000000000002"),
        at("20010db8000000010000000000000001"), at("20010db8")})
    CHECK(checker.check(message, other, start) == verdict::valid_mac1);
}

TEST_CASE_METHOD(parties, "MAC2 covers MAC1 and everything in front of it") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start);
  for (std::size_t i = message.size() - 16; i < message.size(); ++i) {
    auto changed = message;
    changed[i] ^= std::byte{1};
    CHECK(checker.check(changed, source_v4, start) == verdict::valid_mac1);
  }
  auto transplanted = some_message();
  cookie_stamper(busy).stamp(transplanted, start);
  std::copy_n(&message[132], 16, &transplanted[132]);
  CHECK(checker.check(transplanted, source_v4, start) == verdict::valid_mac1);
}

TEST_CASE("A valid MAC2 does not help a message with a wrong MAC1") {
  byte_array<56> nonce_and_secret{};
  nonce_and_secret.fill(std::byte{9});
  scripted_random random(nonce_and_secret);
  const public_key busy{unhex_array<32>(std::string(64, '2'))};
  cookie_checker checker(busy, random);
  cookie_stamper stamper(busy);
  initiation_message message{};
  stamper.stamp(message, start);
  checker.make_reply(message, source_v4, start);

  // The cookie as the paper has it, from the secret that was just drawn.
  const auto cookie
    = blake2s::mac(const_byte_span(nonce_and_secret).last(32), unhex("c0000201"
                                                                     "03e8"));
  auto put_mac2 = [&] {
    const auto mac2 = blake2s::mac(cookie, const_byte_span(message).first(132));
    std::copy(mac2.begin(), mac2.end(), &message[132]);
  };
  put_mac2();
  REQUIRE(checker.check(message, source_v4, start) == verdict::valid_mac2);
  message[116] ^= std::byte{1};
  put_mac2();
  CHECK(checker.check(message, source_v4, start) == verdict::invalid_mac);
}

TEST_CASE_METHOD(parties, "The checker accepts a cookie for 120 s") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start);
  CHECK(checker.check(message, source_v4, start + 119'999ms)
        == verdict::valid_mac2);
  CHECK(checker.check(message, source_v4, start + 120s) == verdict::valid_mac1);
  // The new secret lives as long, from when it was made.
  get_cookie(source_v4, start + 121s);
  stamper.stamp(message, start + 121s);
  CHECK(checker.check(message, source_v4, start + 239'999ms)
        == verdict::valid_mac2);
  CHECK(checker.check(message, source_v4, start + 240s) == verdict::valid_mac1);
}

TEST_CASE_METHOD(parties, "The stamper uses a cookie for 120 s") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start + 119'999ms);
  CHECK(has_mac2());
  stamper.stamp(message, start + 120s);
  CHECK_FALSE(has_mac2());
  get_cookie(source_v4, start + 130s);
  stamper.stamp(message, start + 130s);
  CHECK(checker.check(message, source_v4, start + 130s) == verdict::valid_mac2);
}

TEST_CASE_METHOD(parties, "A forged cookie reply is refused and leaves the "
                          "cookie as it was") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start);
  const auto expected = message;
  const auto genuine = checker.make_reply(message, source_v6, start);
  for (std::size_t i = wire::cookie_reply_nonce; i < genuine.size(); ++i) {
    auto forged = genuine;
    forged[i] ^= std::byte{1};
    CAPTURE(i);
    REQUIRE_FALSE(stamper.consume_reply(forged, start + 60s));
  }
  stamper.stamp(message, start + 119s);
  CHECK(message == expected);
  CHECK(stamper.consume_reply(checker.make_reply(message, source_v4, start),
                              start));
}

TEST_CASE_METHOD(parties, "Only the peer itself can send a cookie") {
  const auto other = derive_public_key(generate_private_key(random));
  stamper.stamp(message, start);
  cookie_checker impostor(other, random);
  CHECK_FALSE(stamper.consume_reply(
    impostor.make_reply(message, source_v4, start), start));
}

TEST_CASE_METHOD(parties, "A cookie reply is refused when nothing was sent") {
  auto elsewhere = some_message();
  cookie_stamper(busy).stamp(elsewhere, start);
  const auto reply = checker.make_reply(elsewhere, source_v4, start);
  CHECK_FALSE(stamper.consume_reply(reply, start));
  // Nor does it answer a message that it was not made for.
  stamper.stamp(message, start);
  CHECK_FALSE(stamper.consume_reply(reply, start));
}

TEST_CASE_METHOD(parties, "A cookie reply answers the newest message, once") {
  auto first = some_message();
  stamper.stamp(first, start);
  const auto late = checker.make_reply(first, source_v4, start);
  stamper.stamp(message, start);
  CHECK_FALSE(stamper.consume_reply(late, start));
  const auto reply = checker.make_reply(message, source_v4, start);
  CHECK(stamper.consume_reply(reply, start));
  // A replay would keep an old cookie alive.
  CHECK_FALSE(stamper.consume_reply(reply, start + 100s));
  stamper.stamp(message, start + 120s);
  CHECK_FALSE(has_mac2());
}

TEST_CASE_METHOD(parties, "A clock that goes backwards breaks no cookie") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start - 1s);
  CHECK(checker.check(message, source_v4, start - 1s) == verdict::valid_mac2);
}

TEST_CASE_METHOD(parties, "Cookies of another checker are worth nothing") {
  get_cookie(source_v4, start);
  stamper.stamp(message, start);
  cookie_checker restarted(busy, random);
  CHECK(restarted.check(message, source_v4, start) == verdict::valid_mac1);
}
