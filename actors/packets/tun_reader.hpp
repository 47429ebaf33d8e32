// The TUN reader: packets from the host, routed to their peers in batches.
#pragma once

#include "actors/loop/cipher_desk.hpp"
#include "actors/loop/detail_log.hpp"
#include "actors/loop/io_loop.hpp"
#include "actors/packets/packet_router.hpp"
#include "messages/overlay.hpp"
#include "messages/tun_reader.hpp"
#include "platform/tun_device.hpp"
#include "protocol/packets/icmp_unreachable.hpp"

#include <functional>

namespace weft {

class tun_reader : public hosted<tun_reader_actor::base>,
                   private descriptor_handler {
public:
  /// `lost` is called when the device is gone for good.  `lines` tell of drops,
  /// and why packets are not read in groups; null: none do.  `waits`: it reads
  /// nothing before thaw{}.  `desk` is the lane's; it may be null as well.
  tun_reader(caf::actor_config& config, io_loop_ptr loop,
             std::shared_ptr<const tun_device> tun, std::uint32_t mtu,
             std::function<void()> lost,
             std::shared_ptr<detail_log> lines = nullptr, bool waits = false,
             std::shared_ptr<cipher_desk> desk = nullptr);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  void ready(bool readable, bool writable) override;
  void failed() override {
    fail();
  }
  drop_report report() const;
  void read_packets();
  /// Whether there were as many, and room for them.
  bool read_up_to(std::size_t limit);
  /// Whether there may be more.
  bool take(const tun_device::read_result& packet);
  /// Tells the host that a packet of it has nobody to go to.
  void answer(const_byte_span packet);
  /// Once, if there is something that is in the way of groups.
  void tell_obstacle();
  void start_reading();
  caf::result<void> stand_still(const freeze& asked);
  void starve();
  void stop_reading();

  std::shared_ptr<const tun_device> tun_;
  std::function<void()> lost_;
  tun_device::read_buffers buffers_;
  bool told_obstacle_ = false;
  std::shared_ptr<detail_log> lines_;
  drop_log drop_lines_;
  packet_router router_;
  std::shared_ptr<cipher_desk> desk_;
  unreachable_answers answers_;
  bool reading_;
  std::size_t full_passes_ = 0; ///< in a row
};

} // namespace weft
