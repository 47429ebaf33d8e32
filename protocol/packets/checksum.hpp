// The Internet checksum (RFC 1071).
#pragma once

#include "protocol/base/bytes.hpp"

namespace weft {

/// The 16-bit big-endian words of `data` added to `sum`, not folded.  An odd
/// last byte counts as the upper half of a word, so only the last piece of a
/// sum may have an odd length.  Numbers (lengths, protocols) may be added to
/// the result as they are.
std::uint64_t checksum_add(const_byte_span data, std::uint64_t sum);

/// Copies `data` to `to`, which must not overlap it, and adds it as
/// checksum_add() does: one pass over the bytes instead of two.
std::uint64_t
checksum_copy(std::byte* to, const_byte_span data, std::uint64_t sum);

/// Folds a sum to 16 bits, not inverted.  The checksum to store_be() is the
/// inverse.
std::uint16_t checksum_fold(std::uint64_t sum);

} // namespace weft
