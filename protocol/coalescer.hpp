// Joins consecutive packets of one flow into super-packets for one TUN write.
#pragma once

#include "protocol/offload.hpp"

#include <functional>
#include <vector>

namespace weft {

/// What goes to the TUN device with one write: the offload header and then
/// the fragments, in order.
struct super_packet {
  offload_header header;
  std::span<const const_byte_span> fragments;
};

/// Takes the inner packets of a batch in order; what it gives out keeps the
/// order within every flow.  It copies no payload, so the packets must stay
/// where they are until flush() returns.
class coalescer {
public:
  struct offloads {
    bool tcp = true;
    bool udp = true;
  };

  explicit coalescer(offloads enabled) : enabled_(enabled) {
  }

  /// `packet` is one IP packet, without padding.  Its headers may be changed.
  void add(byte_span packet);

  /// Gives out all that was added, and forgets it.
  void flush(const std::function<void(const super_packet&)>& write);

private:
  struct group {
    offload_header header;
    std::size_t first = 0; ///< its fragments, as a chain
    std::size_t last = 0;
    std::size_t packets = 0;
    std::size_t bytes = 0;
    std::uint32_t next_sequence = 0;
    bool open = false; ///< may take another packet
  };
  offloads enabled_;
  std::vector<group> groups_;
  std::vector<std::pair<const_byte_span, std::size_t>> fragments_;
};

} // namespace weft
