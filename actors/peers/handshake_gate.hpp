// The handshake gate: what a stranger can send costs it, and nobody else.
#pragma once

#include "actors/loop/alarm.hpp"
#include "actors/loop/detail_log.hpp"
#include "actors/loop/io_loop.hpp"
#include "actors/peers/strangers.hpp"
#include "messages/handshake_gate.hpp"
#include "messages/routes.hpp"
#include "protocol/base/token_bucket.hpp"
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/rate_limiter.hpp"

#include <deque>
#include <map>
#include <unordered_map>

namespace weft {

/// Lives apart from the packet loops, so that a flood of handshake messages
/// does not slow the data of live peers.  A message passes MAC1, which is
/// cheap, at once; then, under load, the cookie and the rate limit; then it
/// waits for its turn at the expensive part, the static key.  Only then does
/// its peer hear of it.
class handshake_gate : public hosted<handshake_gate_actor::base> {
public:
  /// Messages that are worked on before another process takes over; what else
  /// waits is repeated by its sender.
  static constexpr std::size_t most_finished = 64;

  /// Load is when more messages than this have passed MAC1 and wait, as in the
  /// kernel, and it lasts a second longer.  What never passes MAC1 is no load.
  static constexpr std::size_t load_threshold = 512;
  /// Messages that may wait.
  static constexpr std::size_t max_waiting = 4096;

  /// Initiations that wait for their peer to become known, the newest of each
  /// key.  Of two nodes that are told of each other one is told first, and
  /// begins: the other one would not hear it before it is repeated, ...
  static constexpr std::size_t most_early = 64;
  /// ... which it is by then.
  static constexpr duration early_patience = limits::rekey_timeout;

  handshake_gate(caf::actor_config& config, io_loop_ptr loop,
                 std::vector<handshake_source_actor> sources,
                 std::shared_ptr<const receiver_index_codec> indices,
                 const change_identity& us, std::shared_ptr<spdlog::logger> log,
                 const std::optional<cookie_checker::state>& cookies = {});

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct early_initiation {
    initiation_received what;
    time_point until{};
  };
  struct known_peer {
    peer_entry entry;
    std::optional<time_point> woken;
    std::optional<time_point> warned; ///< that somebody uses a wrong key
  };

  /// The answers of each kind that may reach a peer.  Nobody has proved
  /// anything yet, and each costs the peer's loop Diffie-Hellman operations.
  /// Cookie replies, which need no MAC, take nothing from responses.
  struct answer_budget {
    token_bucket responses{64, std::chrono::milliseconds(5)};
    token_bucket cookies{64, std::chrono::milliseconds(5)};
  };

  void change_entry(const peer_entry& entry);
  void wake_peers_at(const endpoint& remote, time_point now);
  /// A message from there is for another key than ours.
  void tell_wrong_key(const endpoint& from, time_point now);
  void tell_stranger(const public_key& key, const endpoint& from);
  void set_identity(std::shared_ptr<const identity> self);
  bool is_under_load(time_point now);
  void look_at(const incoming_handshakes& incoming);
  void check(const handshake_message& message, time_point now);
  void work();
  void work_on_first();
  frozen_gate stand_still();
  void work_later();
  void pass_initiation(const handshake_message& message);
  void keep_early(noise_claim claim, const network_path& path);
  void forget_early();
  void pass_early();
  void pass_answer(const handshake_message& message, std::size_t receiver_at,
                   time_point now);
  void set_routes(routes_ptr snapshot);

  std::vector<handshake_source_actor> sources_; ///< until they have been told
  std::shared_ptr<const receiver_index_codec> indices_;
  std::shared_ptr<const identity> self_;
  std::optional<cookie_checker> checker_;
  rate_limiter limiter_;
  std::optional<time_point> last_load_;
  std::deque<handshake_message> waiting_; ///< that have passed MAC1
  std::deque<early_initiation> early_;    ///< the oldest first
  deadline_id more_work_;
  std::vector<cookie_reply> replies_;
  std::unordered_map<public_key, known_peer> peers_;
  std::multimap<endpoint, public_key> by_endpoint_; ///< configured ones
  routes_ptr routes_;
  std::unordered_map<std::uint32_t, answer_budget> answers_; ///< by slot
  std::shared_ptr<spdlog::logger> log_;
  strangers strangers_;
  drop_log drop_lines_;
  alarm_clock early_ends_; ///< of the oldest one
  drop_counters drops_;
};

} // namespace weft
