// Bits of which mostly long stretches are equal, as few bytes.
#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

/// Each run of equal words as its length in one byte and the word in eight,
/// little-endian; all words as they are where that takes no more.
std::vector<std::byte> pack_words(std::span<const std::uint64_t> words);

/// False, and what is in `words` is of no use: it does not make up as many.
bool unpack_words(const_byte_span packed, std::span<std::uint64_t> words);

} // namespace weft
