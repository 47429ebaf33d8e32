// All that a session is made of, as values: what peer_session::save() gives
// out and restore() takes.  No references, no actors, no closures.  Its keys
// wipe themselves.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/token_bucket.hpp"
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/deadlines.hpp"
#include "protocol/tunnel/drop_reason.hpp"
#include "protocol/tunnel/keypair.hpp"
#include "protocol/tunnel/loop_guard.hpp"
#include "protocol/tunnel/noise.hpp"

#include <optional>
#include <vector>

namespace weft {

/// Whoever sees our index can forge answers to it, and each costs as much as a
/// right one until it is found out.  Beyond these they are not looked at.
inline constexpr token_bucket forged_answers{64, std::chrono::milliseconds(5)};

/// Our initiation that waits for its response.
struct pending_initiation {
  noise_initiator initiator;
  std::uint32_t index = 0;
  time_point sent{};
  bool crossed = false; ///< the peer began a handshake meanwhile
  token_bucket forgeries = forged_answers; ///< responses that may be wrong
};

/// What the last handshake message says of the peer, although it came to
/// nothing.
struct handshake_refusal {
  enum class cause : std::uint8_t {
    answer_not_opened, ///< to our initiation: forged, or with another psk
    older_stamp, ///< than the newest: replayed, or of a clock that is late
  };
  cause why{};
  endpoint from;
  unsigned in_a_row = 1;          ///< of older stamps
  std::chrono::seconds behind{0}; ///< the newest stamp
};

struct session_traffic {
  std::uint64_t bytes = 0; ///< of UDP payload, handshakes included
  std::uint64_t packets = 0;
};

/// Keys beside the preshared one that an answer may be made with: each costs
/// whoever forges answers as little as us.  The rest is not tried.
inline constexpr std::size_t most_other_psks = 8;

/// Initiations to endpoints that nobody has proven to be a peer's, of all peers
/// that share the bucket: whoever makes others believe in endpoints must not
/// turn them against a host.
inline constexpr token_bucket unproven_initiations{
  50, std::chrono::milliseconds(20)};

/// What a session works on itself, beside its parts.
struct session_values {
  // settings
  public_key peer;
  std::uint32_t slot = 0;
  preshared_key psk;
  std::vector<preshared_key> other_psks; ///< open answers as well
  std::chrono::seconds keepalive_interval{0};

  // the way to the peer
  std::optional<network_path> path;
  /// Which the last authentic datagram has come by: as `path`, unless that was
  /// set or changed since.
  std::optional<network_path> heard_by;
  std::optional<endpoint> proven; ///< where the peer was heard from last
  std::uint32_t generation = 0;   ///< of the next receiver index

  // handshakes
  std::optional<pending_initiation> pending;
  token_bucket forged_cookies = forged_answers;
  std::optional<time_point> last_handshake_sent; ///< or response
  std::optional<time_point> last_accepted;       ///< initiation of the peer
  tai64n newest_timestamp{};  ///< of the peer's initiations: older are replays
  wall_time last_timestamp{}; ///< of our initiations: it must increase
  unsigned attempts = 0;
  bool has_reason = false; ///< they are for packets, or were asked for
  unsigned unanswered = 0; ///< as attempts, but for all initiations
  std::uint64_t given_up = 0;
  unsigned unused_answers = 0; ///< of ours since the last handshake
  unsigned older_stamps = 0;   ///< since the last initiation that was accepted
  bool final_rekey_sent = false; ///< shortly before the session expires
  std::optional<wall_time> last_handshake;
  duration round_trip{0}; ///< of the last handshake that shows it; 0: none has

  // timers, and what is due
  deadline_table deadlines;
  duration silence_jitter{0}; ///< of new_handshake, in this session
  std::vector<std::vector<std::byte>> outbox; ///< handshake messages
  bool staged_sendable = false;
  bool keepalive_due = false;

  // counts
  session_traffic sent;
  session_traffic received;
  drop_counters drops;
};

struct session_state {
  session_values values;
  keypairs::state keys;
  cookie_stamper::state cookies;
  loop_guard::state loops;
  std::vector<std::vector<std::byte>> staged; ///< packets that wait
};

/// Counters that a saved session leaves out: more than its former owner can
/// have under way, and few enough that the peer's replay window goes on.
inline constexpr std::uint64_t left_out_counters = 1024;

/// Has whoever goes on with `state` send with counters that its former owner
/// has not come to.
void leave_out_counters(session_state& state);

/// What a session that takes the place of a lost one has to go on with.  It
/// holds no secrets.
struct session_memory {
  std::optional<endpoint> remote;
  std::optional<endpoint> proven{}; ///< where it was heard from last
  tai64n newest_initiation{};       ///< of the peer: older ones are replays
  wall_time last_stamp{};       ///< of our last initiation: they must increase
  std::uint32_t generation = 0; ///< of the next session's receiver index
  bool session_lost = false;    ///< the peer may go on with a session
};

} // namespace weft
