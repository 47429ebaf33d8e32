// The handshake gate: what a stranger can send costs it, and nobody else.
#pragma once

#include "actors/io_loop.hpp"
#include "messages/routes.hpp"
#include "protocol/cookie.hpp"
#include "protocol/rate_limiter.hpp"

#include <map>
#include <unordered_map>

namespace weft {

/// Lives apart from the packet loops, so that a flood of handshake messages
/// does not slow the data of live peers.  A message passes MAC1, then under
/// load the cookie and the rate limit, then the static key; only then does its
/// peer hear of it.
class handshake_gate : public hosted<handshake_gate_actor::base> {
public:
  /// More waiting messages than this mean load, and load lasts a second.
  static constexpr std::size_t load_threshold = 64;

  handshake_gate(caf::actor_config& config, io_loop_ptr loop,
                 udp_port_actor socket,
                 std::shared_ptr<const receiver_index_codec> indices,
                 change_identity us);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  void change_entry(const peer_entry& entry);
  void wake_peer_at(const endpoint& remote);
  void set_identity(std::shared_ptr<const identity> self);
  void check_all(const incoming_handshakes& incoming);
  void check(const handshake_message& message, bool under_load, time_point now);
  void pass_initiation(const handshake_message& message);
  void pass_answer(const handshake_message& message, std::size_t receiver_at);

  udp_port_actor socket_;
  std::shared_ptr<const receiver_index_codec> indices_;
  std::shared_ptr<const identity> self_;
  system_random random_;
  std::optional<cookie_checker> checker_;
  rate_limiter limiter_;
  std::optional<time_point> last_load_;
  std::unordered_map<public_key, peer_entry> peers_;
  std::map<endpoint, public_key> by_endpoint_; ///< configured ones
  routes_ptr routes_;
  drop_counters drops_;
};

} // namespace weft
