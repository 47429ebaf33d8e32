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
#include <set>
#include <string>

namespace weft {

/// As many queues a device has at the most: each may have two readers.
inline constexpr auto most_device_queues = packet_router::most_routers / 2;

/// What a queue of the device is called that another process gets.
std::string name_of_queue(std::size_t number);
/// And what all queues write by, if it is none of them.
inline constexpr auto name_of_writing = "tun-write";
/// All of these.
std::set<std::string> names_of_device();

/// What one of several readers of a device reads, and when.
struct reader_place {
  std::size_t queue = 0; ///< its number
  bool begins = true;    ///< it has the turn at first
  std::size_t batches = packet_router::pool_size;
};

class tun_reader : public hosted<queue_reader_actor::base>,
                   private descriptor_handler {
public:
  /// `lost` is called when the device is gone for good.  `lines` tell of drops,
  /// and why packets are not read in groups; null: none do.  `waits`: it reads
  /// nothing before thaw{}.  `desk` is the lane's; it may be null as well, and
  /// is where the reader lives on another loop than the lane's.
  tun_reader(caf::actor_config& config, io_loop_ptr loop,
             std::shared_ptr<const tun_device> tun, std::uint32_t mtu,
             std::function<void()> lost,
             std::shared_ptr<detail_log> lines = nullptr, bool waits = false,
             std::shared_ptr<cipher_desk> desk = nullptr,
             const reader_place& place = {});

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
  bool may_read() const {
    return has_turn_ && !frozen_ && !ended_;
  }
  void start_reading();
  void pass_turn_on();
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
  std::size_t queue_;
  bool is_first_; ///< of those that read it
  bool has_turn_;
  caf::strong_actor_ptr give_to_; ///< the turn; null: nobody
  bool frozen_;                   ///< another process is to read, or still does
  bool ended_ = false;            ///< the device is gone
  std::size_t full_passes_ = 0;   ///< in a row
};

} // namespace weft
