#include "messages/batches.hpp"

#include "protocol/packets/receive_memory.hpp"

namespace weft {

incoming_batch::incoming_batch()
  : incoming_batch(most_received * receive_stride) {
}

incoming_batch::incoming_batch(std::size_t size)
  : size_(size), memory_(allocate_untouched(size)) {
}

} // namespace weft
