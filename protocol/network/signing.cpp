#include "protocol/network/signing.hpp"

#include "protocol/base/sodium.hpp"

namespace weft {

namespace {

using sodium::raw;

/// Seed and public half, as libsodium wants them to sign.
using sodium_secret = byte_array<crypto_sign_SECRETKEYBYTES>;

static_assert(crypto_sign_SEEDBYTES == signing_seed::size);
static_assert(crypto_sign_BYTES == sizeof(signature));
static_assert(crypto_hash_sha256_BYTES == sizeof(sha256_digest));
static_assert(crypto_auth_hmacsha256_BYTES == sizeof(sha256_digest));

byte_array<32>
hmac(const_byte_span key, std::initializer_list<const_byte_span> parts) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, raw(key.data()), key.size());
  for (const auto part : parts)
    crypto_auth_hmacsha256_update(&state, raw(part.data()), part.size());
  byte_array<32> out{};
  crypto_auth_hmacsha256_final(&state, raw(out.data()));
  sodium_memzero(&state, sizeof(state));
  return out;
}

} // namespace

signing_seed draw_signing_seed(random_source& random) {
  signing_seed seed;
  random.fill(seed.bytes());
  return seed;
}

verifying_key derive_verifying_key(const signing_seed& seed) {
  sodium::ensure_ready();
  verifying_key key;
  sodium_secret whole{};
  crypto_sign_seed_keypair(raw(key.bytes.data()), raw(whole.data()),
                           raw(seed.data()));
  sodium_memzero(whole.data(), whole.size());
  return key;
}

signature sign(const signing_seed& seed, const_byte_span message) {
  sodium::ensure_ready();
  verifying_key key;
  sodium_secret whole{};
  crypto_sign_seed_keypair(raw(key.bytes.data()), raw(whole.data()),
                           raw(seed.data()));
  signature result{};
  crypto_sign_detached(raw(result.data()), nullptr, raw(message.data()),
                       message.size(), raw(whole.data()));
  sodium_memzero(whole.data(), whole.size());
  return result;
}

bool verify(const verifying_key& key, const_byte_span message,
            const signature& signed_with) {
  sodium::ensure_ready();
  return crypto_sign_verify_detached(raw(signed_with.data()),
                                     raw(message.data()), message.size(),
                                     raw(key.bytes.data()))
         == 0;
}

signed_bytes sign_bytes(const signing_seed& seed, byte_vector content) {
  const auto made = sign(seed, content);
  return {std::move(content), made};
}

bool is_signed_by(const verifying_key& key, const signed_bytes& what) {
  return verify(key, what.content, what.signed_with);
}

sha256_digest sha256(std::initializer_list<const_byte_span> parts) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (const auto part : parts)
    crypto_hash_sha256_update(&state, raw(part.data()), part.size());
  sha256_digest out{};
  crypto_hash_sha256_final(&state, raw(out.data()));
  return out;
}

// libsodium has HKDF from 1.0.19 on, Debian 12 has 1.0.18.
void hkdf_sha256(std::span<const std::byte, 32> input, const_byte_span salt,
                 const_byte_span info, std::span<std::byte, 32> out) {
  constexpr std::byte first_block{1};
  auto extracted = hmac(salt, {input});
  auto expanded = hmac(extracted, {info, const_byte_span(&first_block, 1)});
  std::memcpy(out.data(), expanded.data(), expanded.size());
  sodium_memzero(extracted.data(), extracted.size());
  sodium_memzero(expanded.data(), expanded.size());
}

byte_array<32>
hmac_sha256(std::span<const std::byte, 32> key, const_byte_span message) {
  return hmac(key, {message});
}

byte_vector joined(std::initializer_list<const_byte_span> parts) {
  byte_vector result;
  for (const auto part : parts)
    result.insert(result.end(), part.begin(), part.end());
  return result;
}

byte_array<8> number_bytes(std::uint64_t number) {
  byte_array<8> bytes{};
  store_be(bytes.data(), number);
  return bytes;
}

} // namespace weft
