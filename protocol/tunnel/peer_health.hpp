// How a peer is: what is known of it goes in as facts; a word, the reason and
// since when come out.  It decides nothing, and reads no clock.
#pragma once

#include "protocol/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

enum class peer_word : std::uint8_t {
  up,         ///< a handshake was completed within the last 180 s
  idle,       ///< no session, and nobody asks for one
  connecting, ///< a handshake is under way
  waiting,    ///< there is nowhere to send a handshake: the peer has to begin
  failing,    ///< a handshake is under way, and the last one was not answered
  disabled,   ///< this node has no key, or its link is down
};

/// `up`, as in the enumeration.
std::string_view to_string(peer_word word);

/// What stands in the way of a peer.
enum class peer_trouble : std::uint8_t {
  no_answer,    ///< to handshakes for 90 s
  no_handshake, ///< for 180 s
};

/// A sentence for people, without a full stop.
std::string to_string(peer_trouble what);

class peer_health {
public:
  /// `up_until` is what the health of the peer's former actor said, if any.
  explicit peer_health(std::optional<time_point> up_until = {})
    : up_until_(up_until) {
  }

  // -- facts -----------------------------------------------------------------

  /// Whether this node can speak to anybody.  No handshake is under way any
  /// more.
  void identity_changed(bool is_there, time_point now);
  /// Whether there is an address to speak to.
  void endpoint_known(bool is, time_point now);
  /// An initiation was sent to the peer.
  void handshake_begun(time_point now);
  void handshake_completed(time_point now);
  /// Nobody answered for 90 s.
  void handshake_given_up(time_point now);

  // -- time ------------------------------------------------------------------

  /// When the peer is up no more, unless a handshake is completed before;
  /// nothing: it is not up.  Then time alone changes nothing.
  const std::optional<time_point>& up_until() const {
    return up_until_;
  }
  /// Calling it too early is harmless.
  void handle_deadline(time_point now);

  // -- what it comes to ------------------------------------------------------

  /// Whether a handshake was completed lately, also if this node cannot speak
  /// now.
  bool is_up() const {
    return up_until_.has_value();
  }
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

  bool enabled_ = false;
  bool endpoint_known_ = false;
  bool asked_for_ = false; ///< a handshake
  std::optional<time_point> up_until_;
  std::optional<peer_trouble> trouble_;
  peer_word word_ = peer_word::disabled;
  time_point since_{};
};

} // namespace weft
