// What tests need of a session beyond its interface.
#pragma once

#include "protocol/tunnel/peer_session.hpp"

namespace weft {

/// What tests see and set of a session that no host would reach in time.
struct peer_session_access {
  static keypairs& keys(peer_session& session) {
    return session.keys_;
  }
  static void set_send_counter(peer_session& session, std::uint64_t counter) {
    session.keys_.current()->send_counter = counter;
  }
  static bool has_pending(const peer_session& session) {
    return session.pending_ != nullptr;
  }
  static std::size_t staged_bytes(const peer_session& session) {
    return session.staged_.bytes();
  }
};

} // namespace weft
