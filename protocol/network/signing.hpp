// Ed25519 (RFC 8032), SHA-256 and HKDF (RFC 5869) in the shapes that the
// network needs.  Everything that is signed begins with a text of its own, so
// that no signature passes for one of another kind.
#pragma once

#include "protocol/base/keys.hpp"
#include "protocol/network/ids.hpp"

#include <initializer_list>
#include <span>

namespace weft {

/// The 32 bytes that an Ed25519 key pair is made of.
using signing_seed = secret_key<struct signing_seed_purpose>;

struct verifying_key {
  byte_array<32> bytes{};

  auto operator<=>(const verifying_key&) const = default;
};

using signature = byte_array<64>;
using sha256_digest = byte_array<32>;

signing_seed draw_signing_seed(random_source& random);
verifying_key derive_verifying_key(const signing_seed& seed);

signature sign(const signing_seed& seed, const_byte_span message);
bool verify(const verifying_key& key, const_byte_span message,
            const signature& signed_with);

/// Signed bytes with what signed them.
struct signed_bytes {
  byte_vector content;
  signature signed_with{};

  bool operator==(const signed_bytes&) const = default;
};

signed_bytes sign_bytes(const signing_seed& seed, byte_vector content);
bool is_signed_by(const verifying_key& key, const signed_bytes& what);

/// Of the parts one after the other.
sha256_digest sha256(std::initializer_list<const_byte_span> parts);

/// HKDF-SHA256 with 32 bytes of output.
void hkdf_sha256(std::span<const std::byte, 32> input, const_byte_span salt,
                 const_byte_span info, std::span<std::byte, 32> out);

/// HMAC-SHA256.
byte_array<32>
hmac_sha256(std::span<const std::byte, 32> key, const_byte_span message);

/// The bytes of a text, for parts of messages.
inline const_byte_span bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// The parts one after the other.
byte_vector joined(std::initializer_list<const_byte_span> parts);

/// Eight bytes in network order.
byte_array<8> number_bytes(std::uint64_t number);

} // namespace weft

template <>
struct std::hash<weft::verifying_key> {
  std::size_t operator()(const weft::verifying_key& key) const noexcept {
    return weft::keyed_hash(key.bytes);
  }
};
