#include "protocol/tunnel/cookie.hpp"

#include "protocol/base/sodium.hpp"
#include "protocol/tunnel/blake2s.hpp"

#include <algorithm>
#include <cassert>

namespace weft {

namespace {

constexpr std::string_view mac1_label = "mac1----";
constexpr std::string_view cookie_label = "cookie--";

static_assert(wire::mac_size == blake2s::mac_size);
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
              == wire::cookie_nonce_size);
static_assert(wire::cookie_reply_nonce + wire::cookie_nonce_size
              == wire::cookie_reply_cookie);
static_assert(wire::cookie_size + crypto_aead_xchacha20poly1305_ietf_ABYTES
              == wire::cookie_reply_size - wire::cookie_reply_cookie);

/// HASH(label || public key of the side that checks)
secret<key_size>
labelled_key(std::string_view label, const public_key& checker) {
  const auto key = blake2s::hash(
    {std::as_bytes(std::span(label)), const_byte_span(checker.bytes)});
  return secret<key_size>(key);
}

/// An initiation or response as its MACs divide it.
template <class Span>
struct mac_layout {
  explicit mac_layout(Span message)
    : covered_by_mac1(message.first(message.size() - 2 * wire::mac_size)),
      covered_by_mac2(message.first(message.size() - wire::mac_size)),
      mac1(message.subspan(covered_by_mac1.size(), wire::mac_size)),
      mac2(message.last(wire::mac_size)) {
  }
  Span covered_by_mac1, covered_by_mac2, mac1, mac2;
};

template <class Span>
mac_layout<Span> lay_out(Span message) {
  assert(message.size() == wire::initiation_size
         || message.size() == wire::response_size);
  return mac_layout<Span>(message);
}

bool is_equal(const_byte_span a, const_byte_span b) {
  return sodium_memcmp(a.data(), b.data(), wire::mac_size) == 0;
}

} // namespace

// -- the receiving side -------------------------------------------------------

cookie_checker::cookie_checker(const public_key& own, random_source& random)
  : random_(random), mac1_key_(labelled_key(mac1_label, own)),
    cookie_key_(labelled_key(cookie_label, own)) {
}

cookie_checker::verdict
cookie_checker::check(const_byte_span message, const endpoint& source,
                      time_point now) {
  const auto parts = lay_out(message);
  const auto mac1 = blake2s::mac(mac1_key_.bytes(), parts.covered_by_mac1);
  if (!is_equal(mac1, parts.mac1))
    return verdict::invalid_mac;
  // Senders without a cookie leave MAC2 zero: most messages end here.
  if (sodium_is_zero(sodium::raw(parts.mac2.data()), wire::mac_size) == 1)
    return verdict::valid_mac1;
  const auto cookie = make_cookie(source, now);
  const auto mac2 = blake2s::mac(cookie, parts.covered_by_mac2);
  return is_equal(mac2, parts.mac2) ? verdict::valid_mac2 : verdict::valid_mac1;
}

cookie_reply_message
cookie_checker::make_reply(const_byte_span message, const endpoint& source,
                           time_point now) {
  static_assert(wire::initiation_sender == wire::response_sender);
  sodium::ensure_ready();
  const auto parts = lay_out(message);
  cookie_reply_message reply{};
  reply[0] = static_cast<std::byte>(message_type::cookie_reply);
  std::copy_n(message.data() + wire::initiation_sender, 4,
              reply.data() + wire::cookie_reply_receiver);
  auto nonce = byte_span(reply).subspan(wire::cookie_reply_nonce,
                                        wire::cookie_nonce_size);
  random_.fill(nonce);
  const auto cookie = make_cookie(source, now);
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    sodium::raw(reply.data() + wire::cookie_reply_cookie), nullptr,
    sodium::raw(cookie.data()), cookie.size(), sodium::raw(parts.mac1.data()),
    parts.mac1.size(), nullptr, sodium::raw(nonce.data()),
    sodium::raw(cookie_key_.data()));
  return reply;
}

byte_array<wire::cookie_size>
cookie_checker::make_cookie(const endpoint& source, time_point now) {
  if (!state_.made || now - *state_.made >= limits::cookie_lifetime) {
    random_.fill(state_.cookie_secret.bytes());
    state_.made = now;
  }
  // The address as its family has it, then the port in network order.
  byte_array<18> where{};
  const auto length = source.address.size();
  std::copy_n(source.address.bytes.data(), length, where.data());
  store_be(where.data() + length, source.port);
  return blake2s::mac(state_.cookie_secret.bytes(),
                      const_byte_span(where).first(length + 2));
}

// -- the sending side ---------------------------------------------------------

cookie_stamper::cookie_stamper(const public_key& peer)
  : mac1_key_(labelled_key(mac1_label, peer)),
    cookie_key_(labelled_key(cookie_label, peer)) {
}

void cookie_stamper::stamp(byte_span message, time_point now) {
  const auto parts = lay_out(message);
  state_.last_mac1 = blake2s::mac(mac1_key_.bytes(), parts.covered_by_mac1);
  std::copy(state_.last_mac1->begin(), state_.last_mac1->end(),
            parts.mac1.begin());
  byte_array<wire::mac_size> mac2{};
  if (state_.cookie_received
      && now - *state_.cookie_received < limits::cookie_lifetime)
    mac2 = blake2s::mac(state_.cookie, parts.covered_by_mac2);
  std::copy(mac2.begin(), mac2.end(), parts.mac2.begin());
}

bool cookie_stamper::consume_reply(
  std::span<const std::byte, wire::cookie_reply_size> reply, time_point now) {
  if (!state_.last_mac1)
    return false;
  sodium::ensure_ready();
  byte_array<wire::cookie_size> opened{};
  const auto failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
    sodium::raw(opened.data()), nullptr, nullptr,
    sodium::raw(reply.data() + wire::cookie_reply_cookie),
    wire::cookie_reply_size - wire::cookie_reply_cookie,
    sodium::raw(state_.last_mac1->data()), state_.last_mac1->size(),
    sodium::raw(reply.data() + wire::cookie_reply_nonce),
    sodium::raw(cookie_key_.data()));
  if (failed != 0)
    return false;
  state_.cookie = opened;
  state_.cookie_received = now;
  // A message is answered once: a replayed reply must not keep a cookie alive.
  state_.last_mac1.reset();
  return true;
}

} // namespace weft
