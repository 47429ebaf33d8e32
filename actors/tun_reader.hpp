// The TUN reader: packets from the host, routed to their peers in batches.
#pragma once

#include "actors/io_loop.hpp"
#include "messages/routes.hpp"
#include "platform/tun_device.hpp"

#include <functional>

namespace weft {

class tun_reader : public hosted<tun_reader_actor::base>,
                   private descriptor_handler {
public:
  /// Batches on their way from the TUN device to the network.
  static constexpr std::size_t pool_size = 16;

  /// `lost` is called when the device is gone for good.
  tun_reader(caf::actor_config& config, io_loop_ptr loop,
             std::shared_ptr<const tun_device> tun, std::uint32_t mtu,
             std::function<void()> lost);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// A batch that is being filled for one peer.
  struct open_batch {
    std::uint32_t slot = 0;
    outgoing_ptr batch;
  };

  void ready(bool readable, bool writable) override;
  void failed() override {
    fail();
  }
  void read_packets();
  bool read_packet();
  void route(const tun_device::read_result& packet);
  std::optional<std::uint32_t> find_slot(const ip_address& destination);
  outgoing_ptr& batch_for(std::uint32_t slot);
  void flush(open_batch& open);
  void flush_all();
  void starve();
  void stop_reading();

  std::shared_ptr<const tun_device> tun_;
  std::uint32_t mtu_;
  std::function<void()> lost_;
  std::shared_ptr<outgoing_pool> pool_;
  std::unique_ptr<std::byte[]> buffer_;
  outgoing_ptr spare_; ///< so that what has been read always has a place
  std::array<open_batch, 4> open_;
  std::size_t next_victim_ = 0;
  routes_ptr routes_;
  std::optional<std::pair<ip_address, std::uint32_t>> last_route_;
  drop_counters drops_;
  bool reading_ = false;
};

} // namespace weft
