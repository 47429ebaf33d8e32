// The socket for what does not come from peers: handshake messages, and
// transport messages from senders that we never sent anything to.
#pragma once

#include "actors/loop/detail_log.hpp"
#include "actors/loop/io_loop.hpp"
#include "actors/packets/datagram_sorter.hpp"
#include "actors/packets/network_errors.hpp"
#include "messages/stranger_port.hpp"
#include "messages/udp_port.hpp"

namespace weft {

/// Lives on the handshakes' loop, with a receive buffer of its own: whatever
/// strangers send, in whatever number, takes neither time nor memory from the
/// packets of peers.  A peer that comes from a new address is heard, too, but
/// a bounded number of its messages at a time, until it was sent something
/// there.  Without sockets of its own (an old kernel) it passes cookie replies
/// on to udp_port, which then receives everything.
class stranger_port : public hosted<stranger_port_actor::base> {
public:
  /// Transport messages that may be on their way to peers at a time.
  static constexpr std::size_t max_transport = 64;

  /// `lines` tell of drops; null: none do.  `waits`: it receives nothing before
  /// thaw{}.
  stranger_port(caf::actor_config& config, io_loop_ptr loop,
                udp_port_actor peers_port,
                std::shared_ptr<detail_log> lines = nullptr,
                bool waits = false);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct family_handler final : descriptor_handler {
    stranger_port* port = nullptr;
    std::optional<udp_socket> socket;
    bool may_send = true; ///< it has the mark that is wanted

    void ready(bool readable, bool writable) override;
    void failed() override {
      port->fail();
    }
  };

  void use(udp_sockets& opened);
  void watch();
  caf::result<void> stand_still(const freeze& asked);
  void close();
  void receive_from(udp_socket& socket);
  void reply(const send_cookie_replies& wanted);
  drop_report report() const;

  udp_port_actor peers_port_;
  bool frozen_; ///< another process is to receive, or still has
  family_handler v4_;
  family_handler v6_;
  drop_log drop_lines_;
  datagram_sorter sorter_;
  network_errors errors_;
  /// Of one batch: while peers have it, more transport messages are dropped.
  std::shared_ptr<incoming_pool> pool_;
  incoming_ptr own_; ///< receives meanwhile
  std::vector<received_datagrams> received_;
  std::vector<addressed_datagram> replies_;
};

} // namespace weft
