// One of many initiators.
#pragma once

#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/noise.hpp"

namespace weft::bench {

/// A key pair that asks a server for a session, from an address of its own: a
/// peer as the server sees it.  No timers: the storm says when.
class storm_client {
public:
  /// `index` is what our messages carry as sender.  Throws
  /// std::invalid_argument if no handshake is possible with `server`.
  storm_client(const private_key& key, const public_key& server,
               const ip_address& source, std::uint32_t index)
    : self_(key), server_(must_know(self_, server)),
      stamper_(server), source_{source, 0}, index_(index) {
  }

  /// A fresh initiation, with MACs.
  void initiate(const instant& at, random_source& random);

  /// Reads a cookie reply and puts the cookie onto the initiation.  False if
  /// the reply is forged.
  bool take_cookie(std::span<const std::byte, wire::cookie_reply_size> reply,
                   time_point now);

  /// Keeps the response; who is done asks no more.
  void take_response(std::span<const std::byte, wire::response_size> response,
                     time_point now);

  /// Whether the response is one: derives the keys.
  bool verify() const;

  const initiation_message& message() const {
    return message_;
  }
  const source_address& source() const {
    return source_;
  }
  /// When the response came; nothing before.
  const std::optional<time_point>& answered() const {
    return answered_;
  }

private:
  static static_pair must_know(const identity& self, const public_key& server);

  identity self_;
  static_pair server_;
  cookie_stamper stamper_;
  source_address source_;
  std::uint32_t index_;
  std::optional<noise_initiator> state_;
  initiation_message message_{};
  response_message response_{};
  std::optional<time_point> answered_;
};

} // namespace weft::bench
