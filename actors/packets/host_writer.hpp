// The host writer: packets from peers, joined and written to the TUN device.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "messages/host_writer.hpp"
#include "platform/tun_device.hpp"
#include "protocol/packets/coalescer.hpp"

#include <functional>
#include <memory>

namespace weft {

/// Takes packets for the host.
struct packet_sink {
  coalescer::offloads offloads; ///< what it takes joined
  std::function<tun_device::io_status(const super_packet&)> write;
};

/// The sink that writes to `tun`.
packet_sink sink_into(std::shared_ptr<const tun_device> tun);

/// Packets are joined within a chain, whose batch it keeps until all are
/// written: nothing is copied.  A chain that cannot be written costs its own
/// packets, and nobody else's.
class host_writer : public hosted<host_writer_actor::base> {
public:
  host_writer(caf::actor_config& config, io_loop_ptr loop, packet_sink sink);

  behavior_type make_behavior() override;

private:
  void write(incoming_chain& chain);
  void write_joined(const incoming_batch& batch, std::uint16_t first);
  void write_to_sink(const super_packet& packet);

  packet_sink sink_;
  coalescer joiner_;
  std::size_t handed_over_ = 0; ///< packets of this chain, to the sink
  packets_refused refused_;     ///< of them
};

} // namespace weft
