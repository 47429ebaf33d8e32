// Transport messages (paper, 5.4.6) as whoever has the key makes and reads
// them: the session itself, or another thread at its order.
#pragma once

#include "protocol/packets/datagram_buffer.hpp"
#include "protocol/tunnel/transport_cipher.hpp"

namespace weft {

/// What a batch is to be sealed with: counters in a row that are for it alone.
/// It is to be sealed with them once: the same counters again would undo it.
struct seal_order {
  shared_key key{};
  std::uint32_t receiver = 0; ///< index of the session at the peer
  std::uint64_t counter = 0;  ///< of the first datagram
};

/// Writes the header, and seals the packet where it lies.
void seal_datagram(transport_cipher& cipher, std::uint32_t receiver,
                   std::uint64_t counter, byte_span datagram) noexcept;
/// Seals each datagram of `batch`.
void seal_batch(const seal_order& order, const datagram_buffer& batch);

/// Opens the packet where it lies.  False: the tag is wrong.
[[nodiscard]] bool
open_datagram(transport_cipher& cipher, byte_span datagram) noexcept;

inline std::uint32_t receiver_of(const_byte_span datagram) {
  return load_le<std::uint32_t>(datagram.data() + wire::transport_receiver);
}
inline std::uint64_t counter_of(const_byte_span datagram) {
  return load_le<std::uint64_t>(datagram.data() + wire::transport_counter);
}

} // namespace weft
