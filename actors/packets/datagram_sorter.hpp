// From what a socket received to the actors that it is for: what udp_port and
// stranger_port share.  No actor itself; used on one thread.
#pragma once

#include "messages/handshake_gate.hpp"
#include "messages/routes.hpp"
#include "platform/udp_socket.hpp"

#include <optional>
#include <span>
#include <vector>

namespace weft {

class datagram_sorter {
public:
  /// Handshake messages that the gate may not yet have looked at.
  static constexpr std::size_t max_waiting_handshakes = 4096;
  /// Senders with an unknown session that the gate may yet have to look up.
  static constexpr std::size_t max_waiting_unknown = 1024;

  /// `self` is told by the gate what it has dealt with.
  void set_gate(handshake_gate_actor gate, handshake_source_actor self) {
    gate_ = std::move(gate);
    self_ = std::move(self);
  }
  /// Whose socket the gate's cookies are to leave by.
  void answer_by(cookie_sender_actor socket) {
    answers_ = std::move(socket);
  }
  void set_routes(routes_ptr snapshot) {
    routes_ = std::move(snapshot);
    last_index_.reset();
  }
  const routes_ptr& routes() const {
    return routes_;
  }
  void processed(const handshakes_processed& done);

  /// Sends each peer the chain of its transport messages in `batch`, and the
  /// gate the rest.  Of transport messages at most `max_transport` pass.
  void sort(std::span<const received_datagrams> received, incoming_ptr batch,
            std::size_t max_transport = incoming_batch::end);

  drop_counters& drops() {
    return drops_;
  }
  const drop_counters& drops() const {
    return drops_;
  }
  /// Lets go of everything; to be called when the owner ends.
  void clear();

private:
  struct peer_chain {
    std::uint32_t slot = 0;
    std::uint16_t first = incoming_batch::end;
    std::uint16_t last = incoming_batch::end;
  };

  void sort_message(const received_datagrams& received, incoming_batch& batch,
                    std::size_t max_transport);
  void
  sort_transport(byte_span datagram, std::uint16_t path, incoming_batch& batch);
  void add_unknown(const endpoint& remote);
  void pass_to_gate();
  void pass_chains(const incoming_ptr& batch);

  handshake_gate_actor gate_;
  handshake_source_actor self_;
  cookie_sender_actor answers_;
  routes_ptr routes_;
  std::vector<peer_chain> chains_;
  std::size_t last_chain_ = 0;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> last_index_;
  std::vector<handshake_message> handshakes_;
  std::vector<endpoint> unknown_;
  std::size_t handshakes_waiting_ = 0;
  std::size_t unknown_waiting_ = 0;
  drop_counters drops_;
};

} // namespace weft
