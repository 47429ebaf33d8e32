// Handshakes of a session: who starts one when, what its messages do, and the
// session that comes of it.  The Noise tokens are in noise.cpp.
#include "protocol/tunnel/peer_session.hpp"

#include <algorithm>

namespace weft {

namespace {

/// More than the granularity of to_tai64n().
constexpr auto timestamp_step = std::chrono::milliseconds(20);

std::vector<std::byte> to_vector(const_byte_span bytes) {
  return {bytes.begin(), bytes.end()};
}

} // namespace

peer_session::peer_session(std::shared_ptr<const identity> self,
                           const public_key& peer,
                           const receiver_index_codec& indices,
                           std::uint32_t slot, std::uint32_t generation,
                           random_source& random, staging_budget* budget,
                           const loop_guard::probe* leads_into_tunnel)
  : peer_(peer), indices_(indices), slot_(slot), generation_(generation),
    random_(random), stamper_(peer), staged_(drops_, budget),
    loop_guard_(leads_into_tunnel) {
  set_identity(std::move(self));
}

void peer_session::set_identity(std::shared_ptr<const identity> self) {
  end_sessions();
  pending_.reset();
  deadlines_.cancel(deadline::retransmit_handshake);
  deadlines_.cancel(deadline::new_handshake);
  self_ = std::move(self);
  statics_.reset();
  last_handshake_sent_.reset();
  if (self_)
    statics_ = static_pair::create(*self_, peer_);
  else
    drop_staged(drop_reason::handshake_failed);
}

void peer_session::set_preshared_key(const preshared_key& psk) {
  psk_ = psk;
}

void peer_session::set_persistent_keepalive(std::chrono::seconds interval,
                                            const instant& at) {
  const auto was_off = keepalive_interval_.count() == 0;
  keepalive_interval_ = interval;
  if (interval.count() == 0)
    deadlines_.cancel(deadline::persistent_keepalive);
  else {
    authenticated_traversal(at.now); // even if nothing can be sent now
    if (was_off)
      send_keepalive(at);
  }
}

void peer_session::start(const instant& at) {
  if (self_ && (!staged_.empty() || keepalive_interval_.count() > 0))
    send_keepalive(at);
}

void peer_session::set_endpoint(const endpoint& remote) {
  if (!path_ || path_->remote != remote)
    path_ = network_path{remote, std::nullopt};
}

void peer_session::redirect(const endpoint& remote, const instant& at) {
  const auto former = path_;
  set_endpoint(remote);
  if (!former)
    start(at); // a persistent keepalive had nowhere to go
  else if (former->remote != remote && pending_ && unanswered_ > 1)
    send_initiation(at);
}

std::uint32_t peer_session::next_index() {
  return indices_.encode(slot_, generation_++);
}

std::optional<time_point> peer_session::session_created() const {
  const auto* keys = keys_.current();
  return keys != nullptr ? std::optional(keys->created) : std::nullopt;
}

void peer_session::initiate_handshake(const instant& at) {
  if (last_handshake_sent_
      && at.now - *last_handshake_sent_ < limits::rekey_timeout
      && at.now >= *last_handshake_sent_) {
    // One is under way.  If the peer began it, nobody repeats it for us.
    if (!deadlines_.is_set(deadline::retransmit_handshake)) {
      attempts_ = 0;
      deadlines_.set(deadline::retransmit_handshake,
                     *last_handshake_sent_ + limits::rekey_timeout + jitter());
    }
    return;
  }
  // A round that goes on counts its attempts, however often it is asked for:
  // steady traffic must not keep it from being given up.
  if (deadlines_.is_set(deadline::retransmit_handshake)) {
    retry_handshake(at);
    return;
  }
  attempts_ = 0;
  send_initiation(at);
}

void peer_session::wake(const endpoint& configured, const instant& at) {
  if (!session_created() && !deadlines_.is_set(deadline::retransmit_handshake)
      && path_ && path_->remote == configured)
    initiate_handshake(at);
}

void peer_session::send_initiation(const instant& at) {
  if (!self_ || !statics_ || !path_)
    return;
  initiation_message message{};
  const auto index = next_index();
  // The peer takes no timestamp twice, and none that is older: a wall clock
  // that was set back must not lock us out.
  last_timestamp_ = std::max(at.wall, last_timestamp_ + timestamp_step);
  auto started = noise_initiator::start(
    *self_, *statics_, index, to_tai64n(last_timestamp_), random_, message);
  if (!started)
    return;
  pending_ = std::make_unique<pending_initiation>(pending_initiation{
    std::move(*started), index, at.now, false, forged_answers});
  ++unanswered_;
  last_handshake_sent_ = at.now;
  stamper_.stamp(message, at.now);
  outbox_.push_back(to_vector(message));
  sent_.bytes += message.size();
  authenticated_traversal(at.now);
  authenticated_sent();
  deadlines_.set(deadline::retransmit_handshake,
                 at.now + limits::rekey_timeout + jitter());
}

void peer_session::retry_handshake(const instant& at) {
  constexpr auto max_attempts
    = limits::rekey_attempt_time / limits::rekey_timeout;
  if (attempts_ >= max_attempts) {
    give_up(at);
    return;
  }
  ++attempts_;
  forget_source();
  send_initiation(at);
}

void peer_session::give_up(const instant& at) {
  deadlines_.cancel(deadline::retransmit_handshake);
  deadlines_.cancel(deadline::passive_keepalive);
  drop_staged(drop_reason::handshake_failed);
  pending_.reset();
  attempts_ = 0;
  ++given_up_;
  if (!deadlines_.is_set(deadline::zero_keys))
    deadlines_.set(deadline::zero_keys, at.now + 3 * limits::reject_after_time);
}

void peer_session::handle_initiation(const noise_claim& claim, std::size_t size,
                                     const network_path& from,
                                     const instant& at) {
  if (!self_ || !statics_) {
    drops_.dropped(drop_reason::invalid_handshake, 1, {{}, &from.remote});
    return;
  }
  if (last_accepted_ && at.now >= *last_accepted_
      && at.now - *last_accepted_ < limits::min_initiation_interval) {
    drops_.dropped(drop_reason::rate_limited, 1, {{}, &from.remote});
    return;
  }
  const auto responder = noise_responder::accept(claim, *statics_);
  if (!responder) {
    drops_.dropped(drop_reason::invalid_handshake, 1, {{}, &from.remote});
    return;
  }
  if (responder->timestamp() <= newest_timestamp_) {
    drops_.dropped(drop_reason::replayed_handshake, 1, {{}, &from.remote});
    return;
  }
  newest_timestamp_ = responder->timestamp();
  last_accepted_ = at.now;
  received_.bytes += size;
  accept_initiation(*responder, from, at);
}

void peer_session::accept_initiation(const noise_responder& responder,
                                     const network_path& from,
                                     const instant& at) {
  follow_endpoint(from);
  authenticated_received();
  response_message message{};
  const auto index = next_index();
  const auto keys = responder.respond(psk_, index, random_, message);
  if (!keys)
    return;
  stamper_.stamp(message, at.now);
  outbox_.push_back(to_vector(message));
  sent_.bytes += message.size();
  last_handshake_sent_ = at.now; // a handshake is under way: start no other
  if (pending_)
    pending_->crossed = true;
  start_session(std::make_unique<keypair>(*keys, index, responder.receiver(),
                                          false, at.now),
                crossing::none, at);
  authenticated_traversal(at.now);
  authenticated_sent();
}

void peer_session::handle_response(const_byte_span message,
                                   const network_path& from,
                                   const instant& at) {
  const auto index
    = load_le<std::uint32_t>(message.data() + wire::response_receiver);
  if (!self_ || !pending_ || pending_->index != index
      || at.now - pending_->sent >= limits::rekey_attempt_time
      || !pending_->forgeries.has(at.now)) {
    drops_.dropped(drop_reason::invalid_handshake, 1, {message, &from.remote});
    return;
  }
  const auto keys = pending_->state.finish(
    *self_, psk_, message.first<wire::response_size>());
  if (!keys) {
    pending_->forgeries.take(at.now);
    drops_.dropped(drop_reason::invalid_handshake, 1, {message, &from.remote});
    return;
  }
  const auto remote
    = load_le<std::uint32_t>(message.data() + wire::response_sender);
  auto crossed = crossing::none;
  if (pending_->crossed)
    crossed
      = self_->public_static() > peer_ ? crossing::prevails : crossing::yields;
  // A response can be held back: the session is as old as its initiation,
  // which is what the other side counts from.
  const auto created = std::min(pending_->sent, at.now);
  pending_.reset();
  received_.bytes += message.size();
  follow_endpoint(from);
  start_session(std::make_unique<keypair>(*keys, index, remote, true, created),
                crossed, at);
  authenticated_received();
  authenticated_traversal(at.now);
  handshake_completed(at);
  // The responder may use the session only once it has seen us use it.
  keepalive_due_ = true;
  session_usable(at);
}

void peer_session::handle_cookie_reply(const_byte_span message,
                                       const instant& at) {
  // It authenticates nobody: neither endpoint nor timers change.
  if (forged_cookies_.has(at.now)
      && stamper_.consume_reply(message.first<wire::cookie_reply_size>(),
                                at.now)) {
    received_.bytes += message.size();
    return;
  }
  forged_cookies_.take(at.now);
  drops_.dropped(drop_reason::invalid_handshake, 1, {message});
}

void peer_session::start_session(std::unique_ptr<keypair> keys,
                                 crossing crossed, const instant& at) {
  keys_.add(std::move(keys), crossed);
  silence_jitter_ = jitter();
  deadlines_.set(deadline::zero_keys, at.now + 3 * limits::reject_after_time);
}

void peer_session::handshake_completed(const instant& at) {
  // The response to an initiation of ours that has not come by now is of no
  // use any more, and whoever holds it back could end this session with it.
  pending_.reset();
  deadlines_.cancel(deadline::retransmit_handshake);
  attempts_ = 0;
  unanswered_ = 0;
  final_rekey_sent_ = false;
  last_handshake_ = at.wall;
}

void peer_session::session_usable(const instant& at) {
  if (!staged_.empty() && usable_keypair(at.now, staged_.size()) != nullptr)
    staged_sendable_ = true;
}

} // namespace weft
