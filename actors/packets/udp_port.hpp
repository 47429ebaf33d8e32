// The UDP socket actor: batches of datagrams in and out of the host's network.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/loop/workspace.hpp"
#include "actors/packets/datagram_sorter.hpp"
#include "actors/packets/device_relief.hpp"
#include "actors/packets/known_endpoints.hpp"
#include "actors/packets/send_queues.hpp"
#include "messages/udp_port.hpp"

namespace weft {

class udp_port : public hosted<udp_port_actor::base> {
public:
  /// Receive batches that may be under way at a time, ...
  static constexpr std::size_t pool_size = 4;
  /// ... and with cipher workers, who have some of them.
  static constexpr std::size_t shared_pool_size = 8;
  /// For these, before their peers drop what would leave nothing to others.
  static constexpr duration longest_wait = std::chrono::milliseconds{4};

  /// `strangers`: what open_stranger_sockets() made of `sockets`; null: this
  /// port receives everything.  `known`: where peers are by what an earlier
  /// process knew; then nothing is received before thaw{}.
  udp_port(caf::actor_config& config, io_loop_ptr loop, workspace_ptr space,
           udp_sockets sockets, endpoint listen, std::uint32_t fwmark,
           const udp_features& features = {},
           std::shared_ptr<udp_sockets> strangers = nullptr,
           const std::optional<std::vector<endpoint>>& known = {});

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  /// One address family's socket.
  struct family_handler final : descriptor_handler {
    udp_port* port = nullptr;
    std::optional<udp_socket> socket;
    /// Endpoints of which the kernel took no program: as many are not tried
    /// again.
    std::size_t too_many = udp_socket::max_known + 1;

    void ready(bool readable, bool writable) override;
    void failed() override {
      port->fail();
    }
  };

  void use(udp_sockets sockets, std::shared_ptr<udp_sockets> strangers);
  void close();
  void watch();
  caf::result<void> stand_still(const freeze& asked);
  void choose_answering();
  /// To be called when there is traffic.
  void look_at_load();
  void receive_from(udp_socket& socket);
  void send_datagrams(outgoing_datagrams& datagrams);
  void reply_cookies(const send_cookie_replies& wanted);
  void divide();
  result<std::shared_ptr<udp_sockets>>
  open_for_strangers(const udp_sockets& opened);
  drop_report report() const;
  offload_use use_of_gso() const;
  offload_use use_of_gro() const;
  void use(const udp_features& features);
  /// Whether it does, and looks again soon.
  bool wait_for_workers();
  /// Passes it on to whose datagram it was.
  void tell_too_big(const path_too_narrow& said);

  caf::result<std::uint16_t> bind_again(const rebind& request);
  result<std::uint16_t> take_place(const rebind& request);
  void adopt(udp_sockets opened, std::shared_ptr<udp_sockets> strangers,
             const rebind& request);
  result<void> mark(std::uint32_t wanted);
  void note_mark(std::uint32_t mark);

  workspace_ptr space_;
  drop_log drop_lines_{space_->lines, {}};
  family_handler v4_;
  family_handler v6_;
  endpoint listen_; ///< with the port in use
  std::uint32_t fwmark_;
  udp_features features_;
  stranger_port_actor stranger_port_;
  std::shared_ptr<udp_sockets> strangers_; ///< until stranger_port_ has them
  bool divided_ = false; ///< strangers have sockets of their own
  std::shared_ptr<incoming_pool> pool_;
  bool frozen_; ///< another process is to receive, or still has
  bool starved_ = false;
  /// Few batches are left, and workers are busy with the others.
  std::optional<time_point> scarce_since_;

  std::vector<received_datagrams> received_;
  std::size_t messages_ = udp_socket::max_messages; ///< for the next call
  datagram_sorter sorter_;

  std::shared_ptr<device_relief> relief_; ///< null: the lane has none
  deadline_id next_look_;

  drop_counters send_drops_;
  network_errors errors_;
  send_queues queues_;
  known_endpoints known_{udp_socket::max_known};
  std::optional<endpoint> last_remote_;
  caf::actor_addr last_peer_; ///< who sent there
  bool known_changed_ = false;
  std::optional<time_point> last_division_;
};

} // namespace weft
