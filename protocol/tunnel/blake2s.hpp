// BLAKE2s (RFC 7693) in the shapes that WireGuard needs (paper, section 5.4).
// Private to protocol/.
#pragma once

#include "protocol/base/keys.hpp"

#include <initializer_list>

namespace weft::blake2s {

inline constexpr std::size_t hash_size = 32;
inline constexpr std::size_t mac_size = 16;

/// HASH: the digest of `parts` one after the other.  The functions here throw
/// std::runtime_error if libcrypto has no BLAKE2s or no memory.
byte_array<hash_size> hash(std::initializer_list<const_byte_span> parts);

/// MAC: keyed BLAKE2s with 16 bytes of output.  `key` has 1 to 32 bytes.
byte_array<mac_size> mac(const_byte_span key, const_byte_span data);

/// HMAC (RFC 2104) over `parts`.  `key` has at most 64 bytes.
void hmac(const_byte_span key, std::initializer_list<const_byte_span> parts,
          std::span<std::byte, hash_size> out);

/// KDF1, KDF2 and KDF3: HKDF (RFC 5869) from HMAC, with `key` as its salt.
/// An output may be `key` itself.
void kdf1(const secret<key_size>& key, const_byte_span input,
          secret<key_size>& first);
void kdf2(const secret<key_size>& key, const_byte_span input,
          secret<key_size>& first, secret<key_size>& second);
void kdf3(const secret<key_size>& key, const_byte_span input,
          secret<key_size>& first, secret<key_size>& second,
          secret<key_size>& third);

} // namespace weft::blake2s
