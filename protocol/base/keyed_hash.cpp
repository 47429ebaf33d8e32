#include "protocol/base/keyed_hash.hpp"

#include "protocol/base/sodium.hpp"

#include <exception>

namespace weft {

namespace {

struct hash_key {
  hash_key() noexcept {
    try {
      sodium::ensure_ready();
    } catch (const std::exception&) {
      std::terminate(); // without random numbers there is no going on
    }
    randombytes_buf(bytes.data(), bytes.size());
  }
  byte_array<crypto_shorthash_KEYBYTES> bytes{};
};

} // namespace

std::uint64_t keyed_hash(const_byte_span bytes) noexcept {
  static const hash_key key;
  byte_array<crypto_shorthash_BYTES> digest{};
  crypto_shorthash(sodium::raw(digest.data()), sodium::raw(bytes.data()),
                   bytes.size(), sodium::raw(key.bytes.data()));
  return load_le<std::uint64_t>(digest.data());
}

} // namespace weft
