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
    return session.values_.pending.has_value();
  }
  static std::uint32_t next_generation(const peer_session& session) {
    return session.values_.generation;
  }
  static void forget_path(peer_session& session) {
    session.values_.path.reset();
  }
  static std::size_t staged(const peer_session& session) {
    return session.staged_.size();
  }
  static std::size_t staged_bytes(const peer_session& session) {
    return session.staged_.bytes();
  }
};

} // namespace weft
