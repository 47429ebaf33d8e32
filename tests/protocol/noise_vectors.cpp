// The handshake against the bytes that vectors/make_vectors.py has computed.
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/noise.hpp"
#include "protocol/tunnel/transport_cipher.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"
#include "tests/protocol/vectors.hpp"

namespace {

using namespace weft;
using namespace weft::test;
namespace known = weft::test::vectors;

struct hosts {
  identity initiator{private_key{unhex_secret(known::initiator_static)}};
  identity responder{private_key{unhex_secret(known::responder_static)}};
  static_pair to_responder
    = *static_pair::create(initiator, responder.public_static());
  static_pair to_initiator
    = *static_pair::create(responder, initiator.public_static());

  noise_initiator start(initiation_message& message) const {
    scripted_random random(unhex(known::initiator_ephemeral));
    return *noise_initiator::start(
      initiator, to_responder, known::initiator_index,
      unhex_array<wire::timestamp_size>(known::timestamp), random, message);
  }
};

/// A transport message that carries `packet`.
std::string sealed(const secret<32>& key, std::uint32_t receiver,
                   std::uint64_t counter, std::string_view packet) {
  const auto text = unhex(packet);
  std::vector<std::byte> message(wire::transport_packet + text.size()
                                 + transport_tag_size);
  message[0] = std::byte{4};
  store_le(message.data() + wire::transport_receiver, receiver);
  store_le(message.data() + wire::transport_counter, counter);
  std::copy(text.begin(), text.end(), message.begin() + wire::transport_packet);
  transport_cipher(key).seal(
    counter, byte_span(message).subspan(wire::transport_packet));
  return hex(message);
}

} // namespace

TEST_CASE_METHOD(hosts, "The known private keys have the known public keys") {
  CHECK(initiator.public_static()
        == unhex_public(known::initiator_static_public));
  CHECK(responder.public_static()
        == unhex_public(known::responder_static_public));
}

TEST_CASE("A known time has the known TAI64N label") {
  const wall_time wall(
    std::chrono::seconds(known::timestamp_seconds)
    + std::chrono::nanoseconds(known::timestamp_nanoseconds));
  CHECK(hex(to_tai64n(wall)) == known::timestamp);
}

TEST_CASE_METHOD(hosts, "An initiation has the known bytes") {
  for (const auto& answer : known::handshakes) {
    initiation_message message;
    message.fill(std::byte{0xee});
    start(message);
    cookie_stamper(responder.public_static()).stamp(message, {});
    CHECK(hex(message) == answer.initiation);
  }
}

TEST_CASE_METHOD(hosts, "A response and the keys have the known bytes") {
  for (const auto& answer : known::handshakes) {
    const auto initiation
      = unhex_array<wire::initiation_size>(answer.initiation);
    const auto claim = noise_claim::open(responder, initiation);
    REQUIRE(claim);
    CHECK(claim->initiator() == initiator.public_static());
    CHECK(claim->sender() == known::initiator_index);
    const auto accepted = noise_responder::accept(*claim, to_initiator);
    REQUIRE(accepted);
    CHECK(hex(accepted->timestamp()) == known::timestamp);
    CHECK(accepted->receiver() == known::initiator_index);

    scripted_random random(unhex(known::responder_ephemeral));
    response_message response;
    response.fill(std::byte{0xee});
    const auto keys
      = accepted->respond(preshared_key{unhex_secret(answer.psk)},
                          known::responder_index, random, response);
    REQUIRE(keys);
    cookie_stamper(initiator.public_static()).stamp(response, {});
    CHECK(hex(response) == answer.response);
    CHECK(hex(keys->receive.bytes()) == answer.key_to_responder);
    CHECK(hex(keys->send.bytes()) == answer.key_to_initiator);
  }
}

TEST_CASE_METHOD(hosts, "The initiator derives the known keys") {
  for (const auto& answer : known::handshakes) {
    initiation_message message;
    const auto keys = start(message).finish(
      initiator, preshared_key{unhex_secret(answer.psk)},
      unhex_array<wire::response_size>(answer.response));
    REQUIRE(keys);
    CHECK(hex(keys->send.bytes()) == answer.key_to_responder);
    CHECK(hex(keys->receive.bytes()) == answer.key_to_initiator);
  }
}

TEST_CASE("Transport messages have the known bytes") {
  for (const auto& answer : known::handshakes) {
    const auto to_responder = unhex_secret(answer.key_to_responder);
    const auto to_initiator = unhex_secret(answer.key_to_initiator);
    CHECK(sealed(to_responder, known::responder_index, 0, "")
          == answer.keepalive);
    CHECK(sealed(to_responder, known::responder_index, 1, known::packet)
          == answer.data_to_responder);
    CHECK(sealed(to_initiator, known::initiator_index, (1ull << 40) + 3,
                 known::packet)
          == answer.data_to_initiator);
  }
}

TEST_CASE_METHOD(hosts, "Cookie replies and stamps have the known bytes") {
  struct answer {
    endpoint source;
    std::string_view nonce, reply, initiation;
  };
  const auto v4 = unhex(known::cookies::v4_address);
  const auto v6 = unhex(known::cookies::v6_address);
  const auto answers = std::to_array<answer>({
    {{ip_address::from_v4(v4.data()), known::cookies::port},
     known::cookies::v4_nonce,
     known::cookies::v4_reply,
     known::cookies::v4_initiation},
    {{ip_address::from_v6(v6.data()), known::cookies::port, 3},
     known::cookies::v6_nonce,
     known::cookies::v6_reply,
     known::cookies::v6_initiation},
  });
  for (const auto& [source, nonce, reply, stamped] : answers) {
    // make_reply() draws the nonce first and then, when it is due, the secret.
    scripted_random random(unhex(nonce));
    random.push(unhex(known::cookies::cookie_secret));
    cookie_checker checker(responder.public_static(), random);
    cookie_stamper stamper(responder.public_static());

    auto message
      = unhex_array<wire::initiation_size>(known::with_psk::initiation);
    stamper.stamp(message, {});
    const auto made = checker.make_reply(message, source, {});
    CHECK(hex(made) == reply);
    REQUIRE(stamper.consume_reply(made, {}));
    stamper.stamp(message, {});
    CHECK(hex(message) == stamped);
    CHECK(checker.check(message, source, {})
          == cookie_checker::verdict::valid_mac2);
  }
}

TEST_CASE("The known public keys of low order are those of this test") {
  std::vector<std::string> ours;
  for (const auto& key : low_order_public_keys())
    ours.push_back(hex(key.bytes));
  std::vector<std::string> theirs(std::begin(known::low_order::public_keys),
                                  std::end(known::low_order::public_keys));
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  CHECK(ours == theirs);
}

TEST_CASE_METHOD(hosts, "An initiation made with an ephemeral key of low order "
                        "is refused") {
  // Else well-formed: who knows that the result is zero can seal all of it.
  for (auto forged : known::low_order::initiations) {
    CAPTURE(forged);
    CHECK_FALSE(
      noise_claim::open(responder, unhex_array<wire::initiation_size>(forged)));
  }
}

TEST_CASE_METHOD(hosts, "A response made with an ephemeral key of low order is "
                        "refused") {
  initiation_message message;
  const auto handshake = start(message);
  for (auto forged : known::low_order::responses) {
    CAPTURE(forged);
    CHECK_FALSE(handshake.finish(initiator, {},
                                 unhex_array<wire::response_size>(forged)));
  }
  CHECK(handshake.finish(
    initiator, {},
    unhex_array<wire::response_size>(known::without_psk::response)));
}
