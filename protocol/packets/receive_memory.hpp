// How the messages of one receive call lie in memory.
#pragma once

#include <cstddef>

namespace weft {

/// Room that one message takes: 64 KiB, and a little so that the starts of
/// messages do not fall into the same cache sets.
inline constexpr std::size_t receive_stride = 65536 + 192;

/// Messages that one call yields at the most.
inline constexpr std::size_t most_received = 16;

} // namespace weft
