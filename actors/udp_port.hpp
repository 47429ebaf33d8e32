// The UDP socket actor: batches of datagrams in and out of the host's network.
#pragma once

#include "actors/io_loop.hpp"
#include "messages/routes.hpp"
#include "platform/udp_socket.hpp"

#include <deque>

namespace weft {

class udp_port : public hosted<udp_port_actor::base> {
public:
  /// Receive batches that may be under way at a time.
  static constexpr std::size_t pool_size = 4;
  /// Handshake messages that may wait at the gate.
  static constexpr std::size_t max_waiting_handshakes = 4096;
  /// Batches that may wait for room in the socket's buffer.
  static constexpr std::size_t max_waiting_batches = 16;

  udp_port(caf::actor_config& config, io_loop_ptr loop, udp_sockets sockets,
           endpoint listen, std::uint32_t fwmark, bool offload = true);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct peer_chain {
    std::uint32_t slot = 0;
    std::uint16_t first = incoming_batch::end;
    std::uint16_t last = incoming_batch::end;
  };
  struct waiting_batch {
    outgoing_datagrams datagrams;
    std::size_t sent = 0;
    caf::strong_actor_ptr sender;
  };

  /// One address family's socket.
  struct family_handler final : descriptor_handler {
    udp_port* port = nullptr;
    std::optional<udp_socket> socket;

    void ready(bool readable, bool writable) override;
    void failed() override {
      port->fail();
    }
  };

  void use(udp_sockets sockets);
  void close();
  void watch();
  void receive_from(udp_socket& socket);
  void sort(const received_datagrams& received, incoming_batch& batch);
  void
  sort_transport(byte_span datagram, std::uint16_t path, incoming_batch& batch);
  void report_unknown(const endpoint& remote);
  void pass_handshakes();
  void pass_chains(incoming_ptr batch);

  void send_datagrams(outgoing_datagrams& datagrams);
  bool try_send(waiting_batch& waiting);
  void send_waiting();
  void reply_cookie(const send_cookie_reply& reply);
  family_handler& family_of(const network_path& path);
  void count_truncated(drop_counters& drops) const;

  caf::result<std::uint16_t> bind_again(const rebind& request);
  caf::result<void> mark(const change_fwmark& request);

  family_handler v4_;
  family_handler v6_;
  endpoint listen_; ///< with the port in use
  std::uint32_t fwmark_;
  bool offload_;
  handshake_gate_actor gate_;
  std::shared_ptr<incoming_pool> pool_;
  routes_ptr routes_;
  bool starved_ = false;

  std::vector<received_datagrams> received_;
  std::vector<peer_chain> chains_;
  std::size_t last_chain_ = 0;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> last_index_;
  std::vector<handshake_message> handshakes_;
  std::size_t handshakes_waiting_ = 0;
  std::size_t messages_ = udp_socket::max_messages; ///< for the next call

  std::deque<waiting_batch> waiting_; ///< for room in the socket's buffer
  std::optional<time_point> last_unknown_;
  drop_counters drops_;
};

} // namespace weft
