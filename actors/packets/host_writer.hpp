// The host writer: packets from peers, joined and written to the TUN device.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "messages/host_writer.hpp"
#include "platform/tun_device.hpp"
#include "protocol/packets/coalescer.hpp"

#include <functional>
#include <memory>
#include <vector>

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
/// packets, and nobody else's.  While it is helped, a peer's chains go to one
/// helper, and before it writes again, it waits until none is left there: a
/// flow keeps its order.
class host_writer : public hosted<helped_writer_actor::base> {
public:
  /// `helpers` write to the same sink, on other loops.
  host_writer(caf::actor_config& config, io_loop_ptr loop, packet_sink sink,
              std::vector<host_writer_actor> helpers = {});

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  using chains = std::vector<incoming_chain>;

  void take(chains& all);
  /// To whom it is wanted to be.
  void change_writers();
  void pass_on(chains& all);
  template <class Action>
  void when_helpers_have_finished(Action action);
  caf::result<void> finish();
  void write(incoming_chain& chain);
  void write_joined(const incoming_batch& batch, std::uint16_t first);
  void write_to_sink(const super_packet& packet);

  packet_sink sink_;
  std::vector<host_writer_actor> helpers_;
  std::vector<std::shared_ptr<chains>> parts_; ///< scratch of pass_on()
  bool wants_help_ = false;
  bool elsewhere_ = false; ///< the next chain is theirs
  bool returning_ = false; ///< not any more, but they have some left
  chains held_;            ///< until they have none
  coalescer joiner_;
  std::size_t handed_over_ = 0; ///< packets of this chain, to the sink
  packets_refused refused_;     ///< of them
};

} // namespace weft
