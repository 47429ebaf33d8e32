#include "messages/batches.hpp"

namespace weft {

namespace {

// As much as one receive call can fill: platform/udp_socket.hpp's 16 messages
// of 64 KiB and a little.
constexpr std::size_t default_incoming_size = std::size_t{16} * (65536 + 192);

} // namespace

incoming_batch::incoming_batch() : incoming_batch(default_incoming_size) {
}

incoming_batch::incoming_batch(std::size_t size)
  : size_(size), memory_(std::make_unique_for_overwrite<std::byte[]>(size)) {
}

} // namespace weft
