// One peer as the WireGuard protocol sees it: handshakes, sessions, timers,
// endpoint, and packets that wait (paper, sections 5 and 6).
//
// Sans I/O: packets, datagrams and time go in; sealed and opened packets, the
// datagrams of poll_transmit() and the deadline of next_deadline() come out.
// After every call that may have changed something, the caller polls both.
// It routes nothing and checks no inner address; that needs all peers.
#pragma once

#include "protocol/packets/datagram_buffer.hpp"
#include "protocol/tunnel/receiver_index.hpp"
#include "protocol/tunnel/session_state.hpp"
#include "protocol/tunnel/staging.hpp"
#include "protocol/tunnel/transport_message.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace weft {

class peer_session {
public:
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
  /// An answer that the preshared key does not open is tried with these, the
  /// first `most_other_psks` of them: the peer may be a step ahead or behind.
  void set_other_preshared_keys(std::span<const preshared_key> psks);
  /// 0: off.  Switching it on sends a keepalive, which starts a session.
  void
  set_persistent_keepalive(std::chrono::seconds interval, const instant& at);
  /// The session goes on at the new endpoint.
  void set_endpoint(const endpoint& remote);
  /// The same; a handshake that waits in vain is repeated there at once, and
  /// a persistent keepalive that had nowhere to go goes there.
  void redirect(const endpoint& remote, const instant& at);

  /// From now on, to an endpoint that nothing authentic has come from, an
  /// initiation goes only for packets, or if it is asked for, and one is taken
  /// from `limit` for each.  Without one it is tried again a second later.
  /// Null: no more, as in the beginning.  The bucket must outlive the session.
  void limit_unproven(token_bucket* limit);

  /// Begins to speak, once there is an identity: with the packets that wait,
  /// or, with a persistent keepalive, by itself.
  void start(const instant& at);

  // -- sending ---------------------------------------------------------------

  enum class send_status { sealed, waiting };

  /// Takes a batch of packets.  With a session they are sealed in place, to be
  /// sent to path() by the caller; what goes around because of a wrong route is
  /// taken out.  Without one, copies of them wait, bounded (see
  /// staged_packets), and a handshake is asked for.
  [[nodiscard]] send_status send(datagram_buffer& batch, const instant& at);

  /// As send(), but who calls it has the batch sealed elsewhere: timers and
  /// counts are as if it was sent now.  Nothing: its packets wait, or went
  /// around.
  [[nodiscard]] std::optional<seal_order>
  reserve(datagram_buffer& batch, const instant& at);

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
    return !values_.outbox.empty() || values_.keepalive_due
           || values_.staged_sendable;
  }
  /// Of what is due only the packets that waited, for who has them wait for
  /// others.  True if more are left than fitted.
  bool poll_packets(datagram_buffer& out, const instant& at);
  bool has_packets() const {
    return values_.staged_sendable;
  }
  /// Room that poll_transmit() needs for all that is due.
  std::size_t transmit_size() const;

  // -- receiving -------------------------------------------------------------

  enum class open_status { packet, keepalive, dropped };
  struct open_result {
    open_status status = open_status::dropped;
    byte_span packet{}; ///< decrypted and still padded, within the datagram
  };

  /// Takes any datagram that names a session or handshake of ours: a transport
  /// message, which is opened in place, or a response or cookie reply, whose
  /// MACs have been checked, and which yields no packet.
  open_result
  receive(byte_span datagram, const network_path& from, const instant& at);

  /// Takes an initiation that names the peer, and whose MACs have been checked.
  void receive(const noise_claim& claim, const network_path& from,
               const instant& at);

  /// receive() for many transport messages of one sender, in two calls: opens
  /// each in place, ...
  open_result open(byte_span datagram, const instant& at);
  /// ... and, if one or more were authenticated, the endpoint follows and
  /// timers start.  `data` says whether there was more than keepalives.
  void authenticated(const network_path& from, bool data, const instant& at);

  /// open() for who decrypts elsewhere, in two calls.  The keys that are to
  /// open the datagram; null: it was dropped and counted, and nothing is to be
  /// done.
  keypair* admit(const_byte_span datagram, const instant& at);
  /// Says what became of one that was admitted: whether its tag was right.  The
  /// replay window and all else that follows come only now.
  open_result settle(byte_span datagram, bool opened, const instant& at);

  /// Rises when sessions end at once, and not by being renewed: what was begun
  /// before with their keys is not to be sent or believed any more.
  unsigned epoch() const {
    return epoch_;
  }

  // -- time ------------------------------------------------------------------

  std::optional<time_point> next_deadline() const {
    return values_.deadlines.next();
  }
  /// Does what is due at `at`.  Calling it too early is harmless.
  void handle_deadlines(const instant& at);

  // -- state -----------------------------------------------------------------

  const public_key& key() const {
    return values_.peer;
  }
  const std::optional<network_path>& path() const {
    return values_.path;
  }
  /// The local address did not work: the host chooses another one.
  void forget_source() {
    if (values_.path)
      values_.path->local.reset();
    values_.heard_by.reset();
  }
  std::chrono::seconds persistent_keepalive() const {
    return values_.keepalive_interval;
  }
  const preshared_key& psk() const {
    return values_.psk;
  }
  /// When the last handshake was completed; nothing if none was.
  const std::optional<wall_time>& last_handshake() const {
    return values_.last_handshake;
  }
  /// From an initiation to its response, the last time that nothing had to be
  /// repeated; 0: not known.
  duration round_trip() const {
    return values_.round_trip;
  }
  /// Whether a message of ours to the peer may begin with these bytes, as its
  /// session and handshake are just now.
  bool may_have_sent(const_byte_span beginning) const;
  /// When the session in use began.
  std::optional<time_point> session_created() const;
  /// Initiations that were sent since the last handshake was completed.
  unsigned unanswered() const {
    return values_.unanswered;
  }
  /// Initiations of the peer that were answered since the last handshake was
  /// completed.
  unsigned unused_answers() const {
    return values_.unused_answers;
  }
  /// Where the last message came from that was refused although it may be the
  /// peer's, and why; once.
  std::optional<handshake_refusal> take_refusal() {
    return std::exchange(refusal_, std::nullopt);
  }
  /// Whether the last initiation has this index, and nobody has answered it.
  bool awaits_answer(std::uint32_t index) const {
    return values_.pending && values_.pending->index == index;
  }
  /// Handshakes that nobody answered for 90 s.
  std::uint64_t handshakes_given_up() const {
    return values_.given_up;
  }
  const session_traffic& sent() const {
    return values_.sent;
  }
  const session_traffic& received() const {
    return values_.received;
  }
  /// Datagrams that were dropped after sealing or before opening, by callers.
  void count_drop(drop_reason reason, std::uint64_t packets = 1,
                  const drop_context& context = {}) {
    values_.drops.dropped(reason, packets, context);
  }
  const drop_counters& drops() const {
    return values_.drops;
  }
  /// Null: nobody.  The watcher must outlive the session.
  void drops_watched_by(drop_watcher* watcher) {
    values_.drops.watched_by(watcher);
  }

  /// All that it is, but its identity and what else it was created with.
  session_state save() const;
  /// Goes on as the session that was saved, which must have had the same
  /// identity and peer, and must not go on itself: no counter may be used
  /// twice.
  void restore(const session_state& from);
  /// What a session that takes its place has to go on with, if it is lost.
  session_memory memory() const;
  /// Takes the place of a session that was lost.
  void resume(const session_memory& former);

private:
  friend struct peer_session_access; ///< tests that cannot send 2^60 messages

  // session_send.cpp
  keypair* usable_keypair(time_point now, std::uint64_t messages) const;
  void drop_loops(datagram_buffer& batch, std::uint32_t index, time_point now);
  bool goes_around(const_byte_span packet, std::uint32_t index, time_point now);
  /// What `batch` goes with, once it is rid of what goes around; null: it
  /// waits.
  keypair* keypair_for(datagram_buffer& batch, const instant& at);
  void stage(const datagram_buffer& batch, const instant& at);
  void seal_datagram(keypair& keys, std::uint64_t counter, byte_span datagram);
  void count_sent(std::size_t bytes);
  void sent_authenticated(bool data, const instant& at);
  void send_keepalive(const instant& at);
  void flush_staged(datagram_buffer& out, const instant& at);
  void drop_staged(drop_reason reason);
  // session_handshake.cpp
  /// Null: no handshake is possible.  Made for the first one: it costs a
  /// Diffie-Hellman operation, and thousands of peers may begin at once.
  const static_pair* statics();
  /// Starts one for the session's own sake, as the timers want it.
  void renew(const instant& at);
  void start_handshake(const instant& at);
  bool is_proven() const;
  /// Whether an initiation may go to where the peer is said to be.
  bool may_initiate(const instant& at);
  void handle_response(const_byte_span message, const network_path& from,
                       const instant& at);
  void handle_cookie_reply(const_byte_span message, const instant& at);
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
  open_result drop_datagram(drop_reason reason, const_byte_span datagram);
  open_result
  take_in(keypair& keys, byte_span datagram, bool opened, const instant& at);
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

  // What it was created with, and what follows from it.
  std::shared_ptr<const identity> self_;
  const receiver_index_codec& indices_;
  random_source& random_;
  std::optional<static_pair> statics_; ///< what statics() gives
  bool statics_made_ = false;
  std::optional<handshake_refusal> refusal_;
  token_bucket* unproven_ = nullptr; ///< null: no limit
  unsigned epoch_ = 0;

  // What save() gives out.
  session_values values_;
  keypairs keys_;
  cookie_stamper stamper_;
  loop_guard loop_guard_;
  staged_packets staged_; ///< padded inner packets
};

} // namespace weft
