// How a peer is: what is known of it goes in as facts; a word, the reason and
// since when come out.  It decides nothing, and reads no clock.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/wireguard.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace weft {

enum class peer_word : std::uint8_t {
  up,         ///< a handshake was completed within the last 180 s
  idle,       ///< no session, and nobody asks for one
  connecting, ///< a handshake is under way
  waiting,    ///< a handshake is wanted, and there is nowhere to send it
  failing,    ///< a handshake is wanted, and something stands in its way
  disabled,   ///< this node has no key, or its link is down
};

/// `up`, as in the enumeration.
std::string_view to_string(peer_word word);

/// What may stand in the way of a peer, as it was found out.
namespace trouble {
struct no_answer {}; ///< to handshakes for 90 s
struct icmp {
  int error = 0; ///< errno
  endpoint from;
};
struct send_failed {
  int error = 0; ///< errno
};
struct name_not_found {};
struct wrong_key {
  endpoint from;
};
struct source_refused {
  ip_address address; ///< inner one, outside the peer's allowed IPs
};
struct no_handshake {}; ///< for 180 s
} // namespace trouble

using peer_trouble
  = std::variant<trouble::no_answer, trouble::icmp, trouble::send_failed,
                 trouble::name_not_found, trouble::wrong_key,
                 trouble::source_refused, trouble::no_handshake>;

/// A sentence for people, without a full stop.
std::string to_string(const peer_trouble& what);

class peer_health {
public:
  /// `silence` is the time after a handshake in which the peer counts as up.
  explicit peer_health(duration silence = limits::reject_after_time)
    : silence_(silence) {
  }

  // -- facts -----------------------------------------------------------------

  /// Whether this node can speak to anybody.
  void enabled(bool is, time_point now);
  /// Whether there is an address to speak to.
  void endpoint_known(bool is, time_point now);
  /// One was sent to the peer, or is asked for.
  void handshake_begun(time_point now);
  void handshake_completed(time_point now);
  /// Nobody asks for one any more.
  void handshake_ended(time_point now);
  /// The last one that was found counts; a completed handshake ends it.
  void found(const peer_trouble& what, time_point now);

  // -- time ------------------------------------------------------------------

  /// When time alone changes the word.
  std::optional<time_point> next_deadline() const;
  /// Calling it too early is harmless.
  void handle_deadline(time_point now);

  // -- what it comes to ------------------------------------------------------

  peer_word word() const {
    return word_;
  }
  /// What was found since the last handshake, if anything.
  const std::optional<peer_trouble>& reason() const {
    return trouble_;
  }
  /// Since when the word is what it is.
  time_point since() const {
    return since_;
  }

private:
  peer_word judge() const;
  void update(time_point now);

  duration silence_;
  bool enabled_ = false;
  bool endpoint_known_ = false;
  bool asked_for_ = false;             ///< a handshake
  std::optional<time_point> is_up_to_; ///< the last handshake and `silence`
  std::optional<peer_trouble> trouble_;
  peer_word word_ = peer_word::disabled;
  time_point since_{};
};

} // namespace weft
