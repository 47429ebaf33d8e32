// What stands in the way of a peer, as data, and in words.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/time.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

namespace weft {

namespace trouble {

/// There is nowhere to send a handshake.
struct no_endpoint {
  bool operator==(const no_endpoint&) const = default;
};

/// For 180 s.
struct no_handshake {
  bool operator==(const no_handshake&) const = default;
};

/// To so many initiations in a row.
struct no_answer {
  endpoint at; ///< where the last one went
  unsigned tries = 0;

  bool operator==(const no_answer&) const = default;
};

/// An ICMP error came for what was sent there.
struct refused_by_network {
  int error = 0; ///< errno
  endpoint at;

  bool operator==(const refused_by_network&) const = default;
};

/// This host does not send there.
struct not_sent {
  int error = 0; ///< errno
  endpoint at;

  bool operator==(const not_sent&) const = default;
};

/// An answer came to our initiation, and could not be opened.
struct answer_not_opened {
  endpoint from;

  bool operator==(const answer_not_opened&) const = default;
};

/// So many of our answers in a row led to no session.
struct answers_unused {
  endpoint to;
  unsigned count = 0;

  bool operator==(const answers_unused&) const = default;
};

/// Its initiations bear older stamps than one that came before.
struct clock_behind {
  endpoint from;
  std::chrono::seconds by{0};

  bool operator==(const clock_behind&) const = default;
};

/// A handshake message for another key than ours came from where the peer is
/// said to be.  Anybody can forge where it comes from.
struct wrong_key_used {
  endpoint claimed;

  bool operator==(const wrong_key_used&) const = default;
};

/// Its endpoint goes to and fro.
struct key_shared {
  endpoint one;
  endpoint other;

  bool operator==(const key_shared&) const = default;
};

/// A packet in its tunnel came from an address that is not in its allowed IPs.
struct source_refused {
  ip_address source;

  bool operator==(const source_refused&) const = default;
};

} // namespace trouble

using peer_trouble = std::variant<
  trouble::no_endpoint, trouble::no_handshake, trouble::no_answer,
  trouble::refused_by_network, trouble::not_sent, trouble::answer_not_opened,
  trouble::answers_unused, trouble::clock_behind, trouble::wrong_key_used,
  trouble::key_shared, trouble::source_refused>;

/// A sentence for people, without a full stop: what is wrong, and what to do.
std::string to_string(const peer_trouble& what);

} // namespace weft
