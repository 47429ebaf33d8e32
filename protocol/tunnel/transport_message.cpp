#include "protocol/tunnel/transport_message.hpp"

namespace weft {

void seal_datagram(transport_cipher& cipher, std::uint32_t receiver,
                   std::uint64_t counter, byte_span datagram) noexcept {
  auto* header = datagram.data();
  store_le(header, static_cast<std::uint32_t>(message_type::transport));
  store_le(header + wire::transport_receiver, receiver);
  store_le(header + wire::transport_counter, counter);
  cipher.seal(counter, datagram.subspan(wire::transport_packet));
}

void seal_batch(const seal_order& order, const datagram_buffer& batch) {
  transport_cipher cipher{order.key};
  auto counter = order.counter;
  for (std::size_t i = 0; i < batch.size(); ++i)
    seal_datagram(cipher, order.receiver, counter++, batch[i]);
}

bool open_datagram(transport_cipher& cipher, byte_span datagram) noexcept {
  return cipher.open(counter_of(datagram),
                     datagram.subspan(wire::transport_packet));
}

} // namespace weft
