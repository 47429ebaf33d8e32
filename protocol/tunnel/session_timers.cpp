// The five timers of a session (paper, section 6), set by what happens:
//
//  retransmit_handshake   5 s + jitter after an initiation, until the response
//                         comes; given up after 90 s.
//  passive_keepalive      10 s after data came, unless something was sent.
//  new_handshake          15 s + jitter (drawn once a session) after data was
//                         sent, unless something came.
//  zero_keys              9 minutes after the last new session.
//  persistent_keepalive   the configured interval after anything was sent or
//                         received.
#include "protocol/tunnel/peer_session.hpp"

namespace weft {

duration peer_session::jitter() {
  const auto range = static_cast<std::uint64_t>(limits::max_jitter.count()) + 1;
  return duration{static_cast<duration::rep>(
    (static_cast<std::uint64_t>(random_.next_u32()) * range) >> 32)};
}

void peer_session::data_sent(time_point now) {
  if (!values_.deadlines.is_set(deadline::new_handshake))
    values_.deadlines.set(deadline::new_handshake,
                          now + limits::keepalive_timeout
                            + limits::rekey_timeout + values_.silence_jitter);
}

void peer_session::data_received(time_point now) {
  if (!values_.deadlines.is_set(deadline::passive_keepalive))
    values_.deadlines.set(deadline::passive_keepalive,
                          now + limits::keepalive_timeout);
}

void peer_session::authenticated_sent() {
  values_.deadlines.cancel(deadline::passive_keepalive);
}

void peer_session::authenticated_received() {
  values_.deadlines.cancel(deadline::new_handshake);
}

void peer_session::authenticated_traversal(time_point now) {
  if (values_.keepalive_interval.count() > 0)
    values_.deadlines.set(deadline::persistent_keepalive,
                          now + values_.keepalive_interval);
}

void peer_session::handle_deadlines(const instant& at) {
  while (auto which = values_.deadlines.take_expired(at.now))
    expire(*which, at);
}

void peer_session::expire(deadline which, const instant& at) {
  switch (which) {
    case deadline::retransmit_handshake:
      retry_handshake(at);
      break;
    case deadline::passive_keepalive:
      send_keepalive(at);
      break;
    case deadline::new_handshake:
      forget_source();
      initiate_handshake(at);
      break;
    case deadline::zero_keys:
      zero_keys();
      break;
    case deadline::persistent_keepalive:
      if (values_.keepalive_interval.count() > 0) {
        // Goes on even when nothing can be sent now.
        authenticated_traversal(at.now);
        send_keepalive(at);
      }
      break;
  }
}

void peer_session::zero_keys() {
  end_sessions();
  // A handshake that is under way goes on: it is younger than those keys, and
  // ends when it is given up.
  if (!values_.deadlines.is_set(deadline::retransmit_handshake))
    values_.pending.reset();
}

void peer_session::end_sessions() {
  ++epoch_;
  keys_.clear();
  values_.keepalive_due = false;
  values_.staged_sendable = false;
  values_.deadlines.cancel(deadline::zero_keys);
}

} // namespace weft
