// The packet port: in place of a TUN device, packets from and for the service
// that embeds the overlay.  messages/packet_port.hpp says what they say to
// each other.
#pragma once

#include "actors/loop/cipher_desk.hpp"
#include "actors/loop/io_loop.hpp"
#include "actors/packets/packet_router.hpp"
#include "messages/host_writer.hpp"
#include "messages/packet_port.hpp"
#include "messages/tun_reader.hpp"

#include <deque>

namespace weft {

/// What the packet port's neighbours within the overlay take it for, and the
/// host.
using packet_port_base = tun_reader_actor::extend_with<
  host_writer_actor>::extend_with<packet_port_actor>;

class packet_port : public hosted<packet_port_base::base> {
public:
  /// Messages of the host that may wait for batches.
  static constexpr std::size_t max_waiting = 8;

  /// Packets longer than `mtu` are refused.  `consumer` may be null, and so may
  /// `desk`, if the lane has none.
  packet_port(caf::actor_config& config, io_loop_ptr loop, std::uint32_t mtu,
              packet_consumer consumer,
              std::shared_ptr<cipher_desk> desk = nullptr);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  using accepted_promise = caf::typed_response_promise<std::uint32_t>;

  /// Packets of the host that have not all been passed on.
  struct waiting_packets {
    packet_batch packets;
    accepted_promise promise;
    std::size_t next = 0;
    std::uint32_t accepted = 0;
  };

  caf::result<std::uint32_t> send_out(send_packets& message);
  void pass_on();
  bool pass_on(waiting_packets& waiting);
  void gather(const incoming_chain& chain);
  void consume_by(packet_consumer consumer);
  void deliver();
  void delivered(std::uint64_t number, bool failed);

  packet_router router_;
  std::shared_ptr<cipher_desk> desk_;
  std::deque<waiting_packets> waiting_;
  packet_batch gathered_; ///< for the consumer
  packet_consumer consumer_;
  bool frozen_ = false;        ///< what the host sends waits
  std::uint64_t delivery_ = 0; ///< number of the latest one
  std::size_t unanswered_ = 0; ///< its packets; 0: it was answered
};

} // namespace weft
