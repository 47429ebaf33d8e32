// A balanced Feistel network on two halves of 16 bits.  Four rounds of a
// keyed hash make a permutation that observers, who see few indices and choose
// none, cannot tell from a random one (Luby and Rackoff, 1988).
#include "protocol/tunnel/receiver_index.hpp"

#include <sodium/crypto_shorthash.h>

#include <cassert>
#include <utility>

namespace weft {

namespace {

constexpr std::uint32_t rounds = 4;

/// SipHash-2-4 of the round and one half.  The two halves of the key take
/// turns.
std::uint32_t round_function(const secret<key_size>& key, std::uint32_t round,
                             std::uint32_t half) {
  constexpr std::size_t half_size = crypto_shorthash_KEYBYTES;
  static_assert(2 * half_size == secret<key_size>::size);
  byte_array<4> input{};
  store_le(input.data(), (round << 16) | half);
  byte_array<crypto_shorthash_BYTES> output{};
  const auto* key_half = key.data() + half_size * (round % 2);
  crypto_shorthash(reinterpret_cast<unsigned char*>(output.data()),
                   reinterpret_cast<const unsigned char*>(input.data()),
                   input.size(),
                   reinterpret_cast<const unsigned char*>(key_half));
  return load_le<std::uint16_t>(output.data());
}

} // namespace

receiver_index_codec::receiver_index_codec(random_source& random) {
  random.fill(state_.key.bytes());
}

std::uint32_t receiver_index_codec::encode(std::uint32_t slot,
                                           std::uint32_t generation) const {
  assert(slot < max_slots);
  return permute((generation << slot_bits) | (slot & (max_slots - 1)));
}

std::uint32_t receiver_index_codec::slot(std::uint32_t index) const {
  return invert(index) & (max_slots - 1);
}

std::uint32_t receiver_index_codec::generation(std::uint32_t index) const {
  return invert(index) >> slot_bits;
}

std::uint32_t receiver_index_codec::permute(std::uint32_t value) const {
  auto left = value >> 16;
  auto right = value & 0xffff;
  for (std::uint32_t round = 0; round < rounds; ++round)
    left
      = std::exchange(right, left ^ round_function(state_.key, round, right));
  return (left << 16) | right;
}

std::uint32_t receiver_index_codec::invert(std::uint32_t value) const {
  auto left = value >> 16;
  auto right = value & 0xffff;
  for (std::uint32_t round = rounds; round-- > 0;)
    right
      = std::exchange(left, right ^ round_function(state_.key, round, left));
  return (left << 16) | right;
}

} // namespace weft
