// MAC1, MAC2 and cookies (WireGuard paper, sections 5.3, 5.4.4 and 5.4.7).
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/keys.hpp"
#include "protocol/base/time.hpp"
#include "protocol/base/wireguard.hpp"

#include <optional>

namespace weft {

/// The receiving side: checks the MACs of handshake messages for one static
/// key, and makes cookie replies.
class cookie_checker {
public:
  /// `random` must outlive the checker; the cookie secret is drawn from it
  /// and renewed every 120 s.
  cookie_checker(const public_key& own, random_source& random);

  /// What it draws; the rest follows from the key.
  struct state {
    secret<key_size> cookie_secret;
    std::optional<time_point> made; ///< nothing: none yet
  };
  const state& save() const {
    return state_;
  }
  void restore(const state& from) {
    state_ = from;
  }

  enum class verdict { invalid_mac, valid_mac1, valid_mac2 };

  /// `message` is a whole initiation or response.  MAC2 is looked at only
  /// once MAC1 is valid; it covers the source's address and port.
  verdict
  check(const_byte_span message, const endpoint& source, time_point now);

  /// The cookie reply to a message with a valid MAC1.
  cookie_reply_message
  make_reply(const_byte_span message, const endpoint& source, time_point now);

private:
  byte_array<wire::cookie_size>
  make_cookie(const endpoint& source, time_point now);

  random_source& random_;
  secret<key_size> mac1_key_;
  secret<key_size> cookie_key_;
  state state_;
};

/// The sending side: puts MACs onto handshake messages to one peer, and keeps
/// the cookie that the peer sent.
class cookie_stamper {
public:
  explicit cookie_stamper(const public_key& peer);

  /// What it remembers; the rest follows from the key.
  struct state {
    std::optional<byte_array<wire::mac_size>> last_mac1; ///< not answered yet
    byte_array<wire::cookie_size> cookie{};
    std::optional<time_point> cookie_received;
  };
  const state& save() const {
    return state_;
  }
  void restore(const state& from) {
    state_ = from;
  }

  /// Writes MAC1, and MAC2 if a cookie younger than 120 s is there, at the end
  /// of an initiation or response.
  void stamp(byte_span message, time_point now);

  /// Reads a cookie reply to the last stamped message.  False if it is forged
  /// or nothing was stamped.
  bool consume_reply(std::span<const std::byte, wire::cookie_reply_size> reply,
                     time_point now);

private:
  secret<key_size> mac1_key_;
  secret<key_size> cookie_key_;
  state state_;
};

} // namespace weft
