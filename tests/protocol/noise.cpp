#include "protocol/tunnel/noise.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <set>

namespace {

using namespace std::chrono_literals;
using namespace weft;
using namespace weft::test;

/// Two hosts, and the steps of a handshake between them.
struct handshake {
  deterministic_random random{7};
  acquainted_pair hosts{random};
  preshared_key psk{generate_private_key(random).bytes()};
  tai64n timestamp = to_tai64n(wall_time(1700000000s));
  initiation_message initiation{};
  response_message response{};

  noise_initiator start() {
    return *noise_initiator::start(hosts.a, hosts.a_knows_b, 0xaaaa0001,
                                   timestamp, random, initiation);
  }
  std::optional<noise_responder> read_initiation() const {
    const auto claim = noise_claim::open(hosts.b, initiation);
    if (!claim)
      return std::nullopt;
    return noise_responder::accept(*claim, hosts.b_knows_a);
  }
  std::optional<session_keys> respond(const preshared_key& with) {
    return read_initiation()->respond(with, 0xbbbb0002, random, response);
  }
};

bool match(const session_keys& a, const session_keys& b) {
  return a.send == b.receive && a.receive == b.send && !(a.send == a.receive)
         && !a.send.is_zero() && !a.receive.is_zero();
}

} // namespace

TEST_CASE_METHOD(handshake, "Both sides of a handshake derive the same keys") {
  for (const auto& with : {psk, preshared_key{}}) {
    const auto state = start();
    const auto theirs = respond(with);
    const auto ours = state.finish(hosts.a, with, response);
    REQUIRE(theirs);
    REQUIRE(ours);
    CHECK(match(*ours, *theirs));
  }
}

TEST_CASE_METHOD(handshake, "Messages carry types, indices and the timestamp") {
  initiation.fill(std::byte{0xff});
  response.fill(std::byte{0xff});
  start();
  CHECK(wire::classify(initiation) == message_type::initiation);
  CHECK(load_le<std::uint32_t>(&initiation[4]) == 0xaaaa0001);
  const auto accepted = read_initiation();
  REQUIRE(accepted);
  CHECK(accepted->receiver() == 0xaaaa0001);
  CHECK(accepted->timestamp() == timestamp);
  respond(psk);
  CHECK(wire::classify(response) == message_type::response);
  CHECK(load_le<std::uint32_t>(&response[4]) == 0xbbbb0002);
  CHECK(load_le<std::uint32_t>(&response[8]) == 0xaaaa0001);
}

TEST_CASE_METHOD(handshake, "Every handshake has other keys and other bytes") {
  std::set<std::string> seen;
  for (int i = 0; i < 4; ++i) {
    const auto state = start();
    respond(psk);
    const auto keys = state.finish(hosts.a, psk, response);
    REQUIRE(keys);
    seen.insert(hex(keys->send.bytes()));
    seen.insert(hex(keys->receive.bytes()));
    seen.insert(hex(const_byte_span(initiation).subspan(8, 108)));
    seen.insert(hex(const_byte_span(response).subspan(12, 48)));
  }
  CHECK(seen.size() == 16);
}

TEST_CASE_METHOD(handshake, "An initiation does not show who sends it") {
  start();
  const auto text = hex(initiation);
  CHECK(text.find(hex(hosts.a.public_static().bytes)) == std::string::npos);
  CHECK(text.find(hex(hosts.b.public_static().bytes)) == std::string::npos);
  CHECK(text.find(hex(timestamp)) == std::string::npos);
}

TEST_CASE_METHOD(handshake, "A different preshared key on either side fails") {
  auto other = psk;
  other.data()[31] ^= std::byte{1};
  const auto state = start();
  REQUIRE(respond(psk));
  CHECK_FALSE(state.finish(hosts.a, other, response));
  CHECK_FALSE(state.finish(hosts.a, {}, response));
  REQUIRE(respond({}));
  CHECK_FALSE(state.finish(hosts.a, psk, response));
  CHECK(state.finish(hosts.a, {}, response));
}

TEST_CASE_METHOD(handshake, "A forged initiation is refused, whichever bit is "
                            "wrong") {
  start();
  const auto genuine = initiation;
  REQUIRE(read_initiation());
  for (std::size_t at = wire::initiation_ephemeral;
       at < wire::initiation_size - 2 * wire::mac_size; ++at) {
    initiation = genuine;
    initiation[at] ^= std::byte{0x80};
    CAPTURE(at);
    REQUIRE_FALSE(read_initiation());
  }
}

TEST_CASE_METHOD(handshake, "A forged response is refused, whichever bit is "
                            "wrong, and the genuine one still serves") {
  const auto state = start();
  const auto theirs = respond(psk);
  const auto genuine = response;
  for (std::size_t at = wire::response_ephemeral;
       at < wire::response_size - 2 * wire::mac_size; ++at) {
    response = genuine;
    response[at] ^= std::byte{0x80};
    CAPTURE(at);
    REQUIRE_FALSE(state.finish(hosts.a, psk, response));
  }
  const auto ours = state.finish(hosts.a, psk, genuine);
  REQUIRE(ours);
  CHECK(match(*ours, *theirs));
}

TEST_CASE_METHOD(handshake, "A response to an earlier initiation is refused") {
  const auto earlier = start();
  respond(psk);
  const auto later = start();
  CHECK_FALSE(later.finish(hosts.a, psk, response));
  CHECK(earlier.finish(hosts.a, psk, response));
}

TEST_CASE_METHOD(handshake, "An initiation for another host is refused") {
  const identity third(generate_private_key(random));
  const auto to_third = static_pair::create(hosts.a, third.public_static());
  REQUIRE(to_third);
  REQUIRE(noise_initiator::start(hosts.a, *to_third, 1, timestamp, random,
                                 initiation));
  CHECK_FALSE(read_initiation());
  CHECK(noise_claim::open(third, initiation));
}

TEST_CASE_METHOD(handshake, "Who only claims to be a peer gets no response") {
  // The public key of a is known to all.  An impostor seals it, but has only
  // its own private key for the second Diffie-Hellman.
  const identity impostor(generate_private_key(random));
  auto knowledge = *static_pair::create(impostor, hosts.b.public_static());
  start();
  const auto claim = noise_claim::open(hosts.b, initiation);
  REQUIRE(claim);
  CHECK(claim->initiator() == hosts.a.public_static());
  auto wrong = hosts.b_knows_a;
  wrong.static_static = knowledge.static_static;
  CHECK_FALSE(noise_responder::accept(*claim, wrong));
  CHECK(noise_responder::accept(*claim, hosts.b_knows_a));
}

TEST_CASE_METHOD(handshake, "A claim names its sender before anything is "
                            "proved") {
  const identity stranger(generate_private_key(random));
  const auto to_b = static_pair::create(stranger, hosts.b.public_static());
  REQUIRE(
    noise_initiator::start(stranger, *to_b, 77, timestamp, random, initiation));
  const auto claim = noise_claim::open(hosts.b, initiation);
  REQUIRE(claim);
  CHECK(claim->initiator() == stranger.public_static());
  CHECK(claim->sender() == 77);
  CHECK_FALSE(noise_responder::accept(*claim, hosts.b_knows_a));
}

TEST_CASE_METHOD(handshake, "Initiations that cross each other both succeed") {
  const auto state_a = start();
  initiation_message from_b{};
  const auto state_b = noise_initiator::start(hosts.b, hosts.b_knows_a, 5,
                                              timestamp, random, from_b);
  REQUIRE(state_b);
  const auto keys_b = respond(psk);

  const auto claim = noise_claim::open(hosts.a, from_b);
  REQUIRE(claim);
  const auto accepted = noise_responder::accept(*claim, hosts.a_knows_b);
  REQUIRE(accepted);
  response_message to_b{};
  const auto keys_a = accepted->respond(psk, 6, random, to_b);
  REQUIRE(keys_a);

  const auto first = state_a.finish(hosts.a, psk, response);
  const auto second = state_b->finish(hosts.b, psk, to_b);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(match(*first, *keys_b));
  CHECK(match(*second, *keys_a));
  CHECK_FALSE(first->send == second->receive);
}

TEST_CASE_METHOD(handshake, "No handshake is possible with a public key of low "
                            "order") {
  const auto keys = low_order_public_keys();
  REQUIRE(keys.size() == 14);
  for (const auto& key : keys) {
    CAPTURE(hex(key.bytes));
    CHECK_FALSE(static_pair::create(hosts.a, key));
    // Not even with a pair that somebody else has put together.
    const static_pair by_hand{key, {}, hosts.b.initial_hash()};
    CHECK_FALSE(noise_initiator::start(hosts.a, by_hand, 1, timestamp, random,
                                       initiation));
  }
}

TEST_CASE_METHOD(handshake, "A handshake that was moved from has no secrets "
                            "left") {
  auto state = start();
  respond(psk);
  const auto moved = std::move(state);
  CHECK(moved.finish(hosts.a, psk, response));
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  CHECK_FALSE(state.finish(hosts.a, psk, response));
}

TEST_CASE_METHOD(handshake, "Hosts that agree on statics agree on the result") {
  CHECK(hosts.a_knows_b.static_static == hosts.b_knows_a.static_static);
  CHECK(hosts.a_knows_b.peer_initial_hash == hosts.b.initial_hash());
  CHECK(hosts.b_knows_a.peer_initial_hash == hosts.a.initial_hash());
  CHECK(hosts.a.public_static() == derive_public_key(hosts.a.private_static()));
}

TEST_CASE("TAI64N labels begin at 2^62 and ten seconds in 1970") {
  CHECK(hex(to_tai64n(wall_time(0s))) == "400000000000000a00000000");
  CHECK(hex(to_tai64n(wall_time(1s))) == "400000000000000b00000000");
  CHECK(hex(to_tai64n(wall_time(-1s))) == "400000000000000900000000");
}

TEST_CASE("TAI64N labels are rounded down to 2^24 nanoseconds") {
  constexpr auto step = std::chrono::nanoseconds(1 << 24);
  CHECK(to_tai64n(wall_time(5s + step - 1ns)) == to_tai64n(wall_time(5s)));
  CHECK(hex(to_tai64n(wall_time(5s + step))) == "400000000000000f01000000");
  CHECK(hex(to_tai64n(wall_time(6s - 1ns))) == "400000000000000f3b000000");
  // Before 1970 they are rounded in the same direction.
  CHECK(hex(to_tai64n(wall_time(-1ns))) == "40000000000000093b000000");
}

TEST_CASE("TAI64N labels compare as the times they stand for") {
  auto last = to_tai64n(wall_time(-3s));
  for (auto t = -3s + 20ms; t < 300s; t += 20ms) {
    const auto next = to_tai64n(wall_time(t));
    REQUIRE(last < next);
    last = next;
  }
}
