// Receiver indices that look random to observers and are decoded without a
// shared table.
#pragma once

#include "protocol/base/keys.hpp"

namespace weft {

/// A keyed permutation of 32-bit numbers: (slot, generation) <-> index.  The
/// slot says which peer of this device, the generation which session of it.
class receiver_index_codec {
public:
  static constexpr unsigned slot_bits = 20;
  static constexpr std::uint32_t max_slots = 1u << slot_bits;
  static constexpr unsigned generation_bits = 32 - slot_bits;

  explicit receiver_index_codec(random_source& random);

  /// All that it is: with the same key there are the same indices.
  struct state {
    secret<key_size> key;
  };
  explicit receiver_index_codec(const state& from) : state_(from) { // NOLINT
  }
  const state& save() const {
    return state_;
  }

  /// `generation` is taken modulo 2^12.
  std::uint32_t encode(std::uint32_t slot, std::uint32_t generation) const;
  std::uint32_t slot(std::uint32_t index) const;
  std::uint32_t generation(std::uint32_t index) const;

private:
  std::uint32_t permute(std::uint32_t value) const;
  std::uint32_t invert(std::uint32_t value) const;

  state state_;
};

} // namespace weft
