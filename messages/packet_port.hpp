// Packets in and out of an overlay within this process, without a TUN device:
// what a service that embeds one says to its packet port, and hears from it.
#pragma once

#include "protocol/base/bytes.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <vector>

namespace weft {

/// Some whole IP packets, in order, side by side in one buffer.
class packet_batch {
public:
  static constexpr std::size_t max_packets = 1024;
  static constexpr std::size_t max_bytes = std::size_t{1} << 20;
  static constexpr std::size_t max_packet = 65535;

  /// Copies a packet to the end.  False: it is empty or longer than any IP
  /// packet, or the batch is full.
  bool add(const_byte_span packet) {
    if (packet.empty() || packet.size() > max_packet
        || ends_.size() == max_packets
        || packet.size() > max_bytes - bytes_.size())
      return false;
    bytes_.insert(bytes_.end(), packet.begin(), packet.end());
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    return true;
  }

  bool empty() const {
    return ends_.empty();
  }
  std::size_t size() const {
    return ends_.size();
  }
  const_byte_span operator[](std::size_t i) const {
    return const_byte_span{bytes_}.subspan(begin_of(i), ends_[i] - begin_of(i));
  }
  byte_span operator[](std::size_t i) {
    return byte_span{bytes_}.subspan(begin_of(i), ends_[i] - begin_of(i));
  }

private:
  std::size_t begin_of(std::size_t i) const {
    return i == 0 ? 0 : ends_[i - 1];
  }

  std::vector<std::byte> bytes_;
  std::vector<std::uint32_t> ends_; ///< of each packet, in bytes_
};

/// host -> packet_port: packets for the overlay.  Answered, once all have been
/// passed on, with the number of those that had a peer to go to.  The others
/// are counted in the overlay's status: malformed_packet, oversized (longer
/// than the MTU), no_route.
///
/// The answer is the flow control: it comes as late as the overlay is slow,
/// and who waits for it before the next message never loses a packet here.
/// While packet_port::max_waiting messages wait, the next is refused with
/// ENOBUFS, and its packets are counted as queue_full.
struct send_packets {
  packet_batch packets;
};

/// packet_port -> packet_consumer: packets from the overlay, decrypted and
/// with a source address that their peer may use.
struct received_packets {
  packet_batch packets;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::send_packets)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::received_packets)

namespace weft {

/// Whoever wants the packets.  The next ones come once these are answered;
/// meanwhile one batch gathers, and what does not fit is dropped and counted
/// as device_busy.
using packet_consumer
  = caf::typed_actor<caf::replies_to<received_packets>::with<void>>;

/// host -> packet_port: packets from now on go to this consumer, or, if it is
/// null, wait for the next one.  A consumer that ends is forgotten.
struct set_consumer {
  packet_consumer consumer;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::set_consumer)

namespace weft {

/// An overlay's packets, for the host that embeds it.  Lives as long as the
/// overlay does.
using packet_port_actor
  = caf::typed_actor<caf::replies_to<send_packets>::with<std::uint32_t>,
                     caf::replies_to<set_consumer>::with<void>>;

} // namespace weft
