// How a peer is: what is known of it goes in as facts; a word, the reason and
// since when come out.  It decides nothing, and reads no clock.
#pragma once

#include "protocol/base/time.hpp"
#include "protocol/base/wireguard.hpp"
#include "protocol/tunnel/peer_trouble.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

enum class peer_word : std::uint8_t {
  up,         ///< a handshake was completed within the last 180 s
  idle,       ///< no session, and nobody asks for one
  connecting, ///< a handshake is under way
  waiting,    ///< there is nowhere to send a handshake: the peer has to begin
  failing,    ///< handshakes come to nothing, since 10 s or more
  disabled,   ///< this node has no key, or its link is down
};

/// `up`, as in the enumeration.
std::string_view to_string(peer_word word);

/// What anybody on the network can forge (network errors, claimed sources, old
/// initiations) explains a word and never changes one.
class peer_health {
public:
  /// As long as handshakes of ours or of the peer have to come to nothing for
  /// it to fail: then two repetitions of ours have been sent.
  static constexpr duration patience = 2 * limits::rekey_timeout;
  /// Answers of ours in a row, each to a handshake of the peer's, of which none
  /// was used.
  static constexpr unsigned most_unused_answers = 3;
  /// A trouble of one kind is news again after this time.
  static constexpr duration news_interval = std::chrono::minutes{10};

  /// `up_until` is what the health of the peer's former actor said, if any.
  explicit peer_health(std::optional<time_point> up_until = {})
    : up_until_(up_until) {
  }

  // -- facts -----------------------------------------------------------------

  /// Whether this node can speak to anybody.  No handshake is under way any
  /// more.
  void identity_changed(bool is_there, time_point now);
  /// Where there is an address to speak to.
  void endpoint_known(const std::optional<endpoint>& where, time_point now);
  /// An initiation was sent `to` the peer, of so many in a row that nobody has
  /// answered.
  void handshake_begun(const endpoint& to, unsigned tries, time_point now);
  /// Something authentic came from the peer, so that it is there.
  void heard(time_point now);
  void handshake_completed(time_point now);
  /// Nobody answered for 90 s.
  void handshake_given_up(time_point now);
  /// We have answered a handshake of the peer's, which has used none of so many
  /// answers in a row.
  void answered(const endpoint& to, unsigned unused, time_point now);
  /// An ICMP error with this errno came for what was sent to `address`.
  void network_error(int error, const endpoint& address, time_point now);
  /// The host refused with this errno to send to `address`.
  void send_error(int error, const endpoint& address, time_point now);
  /// This was seen, and explains how the peer is.
  void found(const peer_trouble& what, time_point now);

  // -- time ------------------------------------------------------------------

  /// When the peer is up no more, unless a handshake is completed before;
  /// nothing: it is not up.
  const std::optional<time_point>& up_until() const {
    return up_until_;
  }
  /// When time alone changes something, if it does.
  std::optional<time_point> next_deadline() const;
  /// Calling it too early is harmless.
  void handle_deadline(time_point now);

  // -- what it comes to ------------------------------------------------------

  /// Whether a handshake was completed lately, also if this node cannot speak
  /// now, or the peer has fallen silent since.
  bool is_up() const {
    return up_until_.has_value();
  }
  peer_word word() const {
    return word_;
  }
  /// What stands in the way, if anything.
  std::optional<peer_trouble> reason(time_point now) const;
  /// The reason, if it is worth a line in the log: not twice within
  /// `news_interval` if it is of one kind.
  std::optional<peer_trouble> take_news(time_point now);
  /// Since when the word is what it is.
  time_point since() const {
    return since_;
  }

private:
  struct finding {
    peer_trouble what;
    time_point when{};
  };

  static bool is_fresh(const finding& what, time_point now);
  /// Nobody wants a session any more.
  void forget_attempts();
  /// A handshake is under way, and none has been completed.
  void attempted(time_point now);
  peer_word judge() const;
  void update(time_point now);

  bool enabled_ = false;
  std::optional<endpoint> endpoint_;
  std::optional<endpoint> asked_; ///< where the last initiation went
  unsigned tries_ = 0;            ///< since the last handshake
  /// Since when handshakes come to nothing; nothing: none is under way.
  std::optional<time_point> in_vain_since_;
  std::optional<time_point> calm_at_; ///< then nobody wants one any more
  bool failing_ = false;
  bool silent_ = false; ///< up no more, since nobody renewed the session
  std::optional<time_point> up_until_;
  std::optional<finding> finding_; ///< the latest
  std::array<std::optional<time_point>, std::variant_size_v<peer_trouble>>
    told_{}; ///< by kind
  peer_word word_ = peer_word::disabled;
  time_point since_{};
};

} // namespace weft
