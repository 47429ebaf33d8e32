// One peer as the WireGuard protocol sees it: handshakes, sessions, timers,
// endpoint, and packets that wait (paper, sections 5 and 6).
//
// Sans I/O: packets, datagrams and time go in; sealed and opened packets, the
// datagrams of poll_transmit() and the deadline of next_deadline() come out.
// After every call that may have changed something, the caller polls both.
// It routes nothing and checks no inner address; that needs all peers.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/token_bucket.hpp"
#include "protocol/packets/datagram_buffer.hpp"
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/deadlines.hpp"
#include "protocol/tunnel/drop_reason.hpp"
#include "protocol/tunnel/keypair.hpp"
#include "protocol/tunnel/loop_guard.hpp"
#include "protocol/tunnel/noise.hpp"
#include "protocol/tunnel/receiver_index.hpp"
#include "protocol/tunnel/staging.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace weft {

class peer_session {
public:
  struct traffic {
    std::uint64_t bytes = 0; ///< of UDP payload, handshakes included
    std::uint64_t packets = 0;
  };

  /// `slot` and `generation` make the receiver indices.  `self` may be null:
  /// then there are no handshakes until set_identity().  `random`, the
  /// budget for packets that wait and the probe of loop_guard (null: none)
  /// must outlive the session.
  peer_session(std::shared_ptr<const identity> self, const public_key& peer,
               const receiver_index_codec& indices, std::uint32_t slot,
               std::uint32_t generation, random_source& random,
               staging_budget* budget = nullptr,
               const loop_guard::probe* leads_into_tunnel = nullptr);

  // -- configuration ---------------------------------------------------------

  /// Ends all sessions: they belong to the former key.
  void set_identity(std::shared_ptr<const identity> self);
  /// Takes effect with the next handshake; the live session goes on.
  void set_preshared_key(const preshared_key& psk);
  /// 0: off.  Switching it on sends a keepalive, which starts a session.
  void
  set_persistent_keepalive(std::chrono::seconds interval, const instant& at);
  /// The session goes on at the new endpoint.
  void set_endpoint(const endpoint& remote);
  /// The same; a handshake that waits in vain is repeated there at once, and
  /// a persistent keepalive that had nowhere to go goes there.
  void redirect(const endpoint& remote, const instant& at);

  /// Begins to speak, once there is an identity: with the packets that wait,
  /// or, with a persistent keepalive, by itself.
  void start(const instant& at);

  // -- sending ---------------------------------------------------------------

  /// Seals all of `batch` in place.  False if there is no session to seal
  /// with: pass the batch to stage() then.  What goes around
  /// because of a wrong route is taken out of the batch.
  bool seal(datagram_buffer& batch, const instant& at);

  /// Keeps copies of the batch's packets until a session is there, and asks
  /// for one.  Bounded: see staged_packets.
  void stage(const datagram_buffer& batch, const instant& at);

  /// Drops and counts (`no_route`) the packets that wait and that `keep` does
  /// not hold on to: their destination has become another peer's.
  void unstage(const std::function<bool(const_byte_span)>& keep);

  /// Starts a handshake unless one was started within the last 5 s.  As long
  /// as none succeeds all that ask are one round, which ends after 90 s.
  void initiate_handshake(const instant& at);

  /// Somebody at `configured`, where the peer was said to be, uses a session
  /// that we do not know.  Anybody can forge that, so a handshake is started
  /// only if there is neither a session nor a handshake, and only if it goes
  /// to that address.
  void wake(const endpoint& configured, const instant& at);

  /// Adds datagrams that are due (handshake messages, keepalives, packets that
  /// waited) to `out`, ready to be sent to path().  True if more are left than
  /// fitted.
  bool poll_transmit(datagram_buffer& out, const instant& at);
  bool has_transmit() const {
    return !outbox_.empty() || keepalive_due_ || staged_sendable_;
  }
  /// Room that poll_transmit() needs for all that is due.
  std::size_t transmit_size() const;

  // -- receiving -------------------------------------------------------------

  enum class open_status { packet, keepalive, dropped };
  struct open_result {
    open_status status = open_status::dropped;
    byte_span packet{}; ///< decrypted and still padded, within the datagram
  };

  /// Opens a transport message in place.  Dropped ones are counted.
  open_result open(byte_span datagram, const instant& at);

  /// To be called after one or more messages from `from` were authenticated
  /// by open(): the endpoint follows, timers start.  `data` says whether there
  /// was more than keepalives.
  void authenticated(const network_path& from, bool data, const instant& at);

  /// Handshake messages, whose MACs have been checked.
  void handle_initiation(const noise_claim& claim, std::size_t size,
                         const network_path& from, const instant& at);
  void handle_response(const_byte_span message, const network_path& from,
                       const instant& at);
  void handle_cookie_reply(const_byte_span message, const instant& at);

  // -- time ------------------------------------------------------------------

  std::optional<time_point> next_deadline() const {
    return deadlines_.next();
  }
  /// Does what is due at `at`.  Calling it too early is harmless.
  void handle_deadlines(const instant& at);

  // -- state -----------------------------------------------------------------

  const public_key& key() const {
    return peer_;
  }
  const std::optional<network_path>& path() const {
    return path_;
  }
  /// The local address did not work: the host chooses another one.
  void forget_source() {
    if (path_)
      path_->local.reset();
  }
  std::chrono::seconds persistent_keepalive() const {
    return keepalive_interval_;
  }
  const preshared_key& psk() const {
    return psk_;
  }
  /// When the last handshake was completed; nothing if none was.
  const std::optional<wall_time>& last_handshake() const {
    return last_handshake_;
  }
  /// The age of the session in use.
  std::optional<time_point> session_created() const;
  /// Initiations that were sent since the last handshake was completed.
  unsigned unanswered() const {
    return unanswered_;
  }
  /// Handshakes that nobody answered for 90 s.
  std::uint64_t handshakes_given_up() const {
    return given_up_;
  }
  const traffic& sent() const {
    return sent_;
  }
  const traffic& received() const {
    return received_;
  }
  /// Datagrams that were dropped after sealing or before opening, by callers.
  void count_drop(drop_reason reason, std::uint64_t packets = 1,
                  const drop_context& context = {}) {
    drops_.dropped(reason, packets, context);
  }
  const drop_counters& drops() const {
    return drops_;
  }
  std::size_t staged() const {
    return staged_.size();
  }
  /// The newest initiation of the peer that was accepted: older ones are
  /// replays, also for a session that takes the place of this one.
  const tai64n& newest_initiation() const {
    return newest_timestamp_;
  }
  void refuse_initiations_until(const tai64n& newest) {
    newest_timestamp_ = newest;
  }
  /// The time stamp of our last initiation, as wall-clock time: the peer takes
  /// newer ones only, also from a session that takes the place of this one.
  wall_time last_stamp() const {
    return last_timestamp_;
  }
  void stamp_after(wall_time last) {
    last_timestamp_ = std::max(last_timestamp_, last);
  }
  /// The generation that the next session's index gets.
  std::uint32_t generation() const {
    return generation_;
  }

private:
  friend struct peer_session_access; ///< tests that cannot send 2^60 messages

  // session_send.cpp
  keypair* usable_keypair(time_point now, std::uint64_t messages) const;
  void drop_loops(datagram_buffer& batch, std::uint32_t index, time_point now);
  bool goes_around(const_byte_span packet, std::uint32_t index, time_point now);
  void seal_datagram(keypair& keys, byte_span datagram);
  void sent_authenticated(bool data, const instant& at);
  void send_keepalive(const instant& at);
  void flush_staged(datagram_buffer& out, const instant& at);
  void drop_staged(drop_reason reason);
  // session_handshake.cpp
  void send_initiation(const instant& at);
  void accept_initiation(const noise_responder& responder,
                         const network_path& from, const instant& at);
  void retry_handshake(const instant& at);
  void give_up(const instant& at);
  void start_session(std::unique_ptr<keypair> keys, crossing crossed,
                     const instant& at);
  void handshake_completed(const instant& at);
  void session_usable(const instant& at);
  std::uint32_t next_index();
  // session_receive.cpp
  void keep_key_fresh_receiving(const instant& at);
  void follow_endpoint(const network_path& from);
  // session_timers.cpp
  void authenticated_traversal(time_point now);
  void authenticated_sent();
  void authenticated_received();
  void data_sent(time_point now);
  void data_received(time_point now);
  void expire(deadline which, const instant& at);
  void end_sessions();
  void zero_keys();
  duration jitter();

  std::shared_ptr<const identity> self_;
  public_key peer_;
  const receiver_index_codec& indices_;
  std::uint32_t slot_;
  std::uint32_t generation_;
  random_source& random_;
  std::optional<static_pair> statics_; ///< nothing: no handshake is possible
  preshared_key psk_;
  std::chrono::seconds keepalive_interval_{0};
  std::optional<network_path> path_;

  /// Whoever sees our index can forge answers to it, and each costs as much as
  /// a right one until it is found out.  Beyond these they are not looked at.
  static constexpr token_bucket forged_answers{64,
                                               std::chrono::milliseconds(5)};

  /// Our initiation that waits for its response.
  struct pending_initiation {
    noise_initiator state;
    std::uint32_t index = 0;
    time_point sent{};
    bool crossed = false; ///< the peer began a handshake meanwhile
    token_bucket forgeries = forged_answers; ///< responses that may be wrong
  };
  std::unique_ptr<pending_initiation> pending_;
  cookie_stamper stamper_;
  token_bucket forged_cookies_ = forged_answers;
  std::optional<time_point> last_handshake_sent_; ///< or response
  std::optional<time_point> last_accepted_;       ///< initiation of the peer
  tai64n newest_timestamp_{};
  wall_time last_timestamp_{}; ///< of our initiations: it must increase
  unsigned attempts_ = 0;
  unsigned unanswered_ = 0; ///< as attempts_, but for all initiations
  std::uint64_t given_up_ = 0;
  bool final_rekey_sent_ = false; ///< shortly before the session expires

  keypairs keys_;
  deadline_table deadlines_;
  duration silence_jitter_{0}; ///< of new_handshake, in this session
  std::vector<std::vector<std::byte>> outbox_; ///< handshake messages
  bool staged_sendable_ = false;
  bool keepalive_due_ = false;

  std::optional<wall_time> last_handshake_;
  traffic sent_;
  traffic received_;
  drop_counters drops_;
  staged_packets staged_; ///< padded inner packets
  loop_guard loop_guard_;
};

} // namespace weft
