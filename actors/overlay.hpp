// The overlay actor: root of all others.  It owns what is configured for the
// device as a whole, supervises, and answers control.
#pragma once

#include "actors/registry.hpp"
#include "actors/start_overlay.hpp"
#include "platform/network.hpp"
#include "platform/udp_socket.hpp"
#include "platform/unix_socket.hpp"

#include <deque>

namespace weft {

/// What start_overlay() has opened.
struct overlay_resources {
  std::shared_ptr<const tun_device> tun;
  udp_sockets sockets;
  unix_listener uapi;
  std::optional<link_monitor> link;
  std::optional<route_monitor> routes;
  io_loop_ptr control_loop;
  io_loop_ptr handshake_loop;
  std::vector<io_loop_ptr> packet_loops;
};

class overlay : public hosted<overlay_actor::base> {
public:
  overlay(caf::actor_config& config, io_loop_ptr loop, overlay_options options,
          std::shared_ptr<overlay_resources> resources);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// A descriptor whose events one function handles.
  struct monitor_handler final : descriptor_handler {
    std::function<void()> changed;
    void ready(bool, bool) override {
      changed();
    }
    std::function<void()> broken;
    void failed() override {
      broken();
    }
  };

  void spawn_actors();
  void watch_link();
  void link_changed();
  void restore_routes();
  void set_mtu(std::uint32_t mtu);
  void routes_changed_somehow();
  void interface_ended(const std::string& why);
  void part_ended(const caf::down_msg& down);

  /// An update that waits for those before it.
  struct waiting_update {
    device_update update;
    caf::response_promise promise;
  };

  caf::result<void> apply(const device_update& update);
  void apply_next();
  void finish_update(caf::error reason);
  void apply_identity(const std::optional<private_key>& key);
  void tell_identity();
  caf::result<device_status> status(const report_request& request);

  overlay_options options_;
  std::shared_ptr<overlay_resources> resources_;
  std::shared_ptr<const receiver_index_codec> indices_;
  std::shared_ptr<const identity> self_;
  std::uint16_t port_;
  std::uint32_t fwmark_;
  std::uint32_t mtu_;
  bool link_up_;
  std::deque<waiting_update> updates_; ///< the first is being applied

  monitor_handler link_handler_;
  monitor_handler route_handler_;
  bool routes_check_due_ = false;
  std::vector<timer_actor> timers_;
  tun_reader_actor reader_;
  udp_port_actor socket_;
  handshake_gate_actor gate_;
  resolver_actor resolver_;
  registry_actor registry_;
  uapi_actor uapi_;
  std::vector<std::pair<caf::actor_addr, std::string>> parts_;
};

} // namespace weft
