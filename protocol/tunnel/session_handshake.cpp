// Handshakes of a session: who starts one when, what its messages do, and the
// session that comes of it.  The Noise tokens are in noise.cpp.
#include "protocol/tunnel/peer_session.hpp"

#include <algorithm>

namespace weft {

namespace {

/// More than the granularity of to_tai64n().
constexpr auto timestamp_step = std::chrono::milliseconds(20);

/// How long an initiation waits that there was no room for, or twice as long.
constexpr auto next_turn = std::chrono::seconds(1);

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
  : indices_(indices), random_(random), stamper_(peer),
    loop_guard_(leads_into_tunnel), staged_(values_.drops, budget) {
  values_.peer = peer;
  values_.slot = slot;
  values_.generation = generation;
  set_identity(std::move(self));
}

void peer_session::set_identity(std::shared_ptr<const identity> self) {
  end_sessions();
  values_.pending.reset();
  values_.deadlines.cancel(deadline::retransmit_handshake);
  values_.deadlines.cancel(deadline::new_handshake);
  self_ = std::move(self);
  statics_.reset();
  statics_made_ = false;
  values_.last_handshake_sent.reset();
  if (!self_)
    drop_staged(drop_reason::handshake_failed);
}

const static_pair* peer_session::statics() {
  if (self_ && !std::exchange(statics_made_, true))
    statics_ = static_pair::create(*self_, values_.peer);
  return statics_ ? &*statics_ : nullptr;
}

void peer_session::set_preshared_key(const preshared_key& psk) {
  values_.psk = psk;
}

void peer_session::set_other_preshared_keys(
  std::span<const preshared_key> psks) {
  psks = psks.first(std::min(psks.size(), most_other_psks));
  values_.other_psks = {psks.begin(), psks.end()};
}

void peer_session::limit_unproven(token_bucket* limit) {
  unproven_ = limit;
}

bool peer_session::is_proven() const {
  return unproven_ == nullptr
         || (values_.path && values_.path->remote == values_.proven);
}

bool peer_session::may_initiate(const instant& at) {
  if (is_proven())
    return true;
  if (!values_.has_reason && staged_.empty()) {
    values_.deadlines.cancel(deadline::retransmit_handshake);
    return false;
  }
  if (unproven_->take(at.now))
    return true;
  // It counts as an attempt.  The next one comes by itself, at random and
  // before those who had their turn come again: packets do not hurry it.
  values_.last_handshake_sent = at.now;
  values_.deadlines.set(deadline::retransmit_handshake,
                        at.now + next_turn + 3 * jitter());
  return false;
}

void peer_session::set_persistent_keepalive(std::chrono::seconds interval,
                                            const instant& at) {
  const auto was_off = values_.keepalive_interval.count() == 0;
  values_.keepalive_interval = interval;
  if (interval.count() == 0)
    values_.deadlines.cancel(deadline::persistent_keepalive);
  else {
    authenticated_traversal(at.now); // even if nothing can be sent now
    if (was_off)
      send_keepalive(at);
  }
}

void peer_session::start(const instant& at) {
  if (self_ && (!staged_.empty() || values_.keepalive_interval.count() > 0))
    send_keepalive(at);
}

void peer_session::set_endpoint(const endpoint& remote) {
  if (values_.path && values_.path->remote == remote)
    return;
  values_.path = network_path{remote, std::nullopt};
  values_.heard_by.reset();
}

void peer_session::redirect(const endpoint& remote, const instant& at) {
  const auto former = values_.path;
  set_endpoint(remote);
  if (!former)
    start(at); // a persistent keepalive had nowhere to go
  else if (former->remote != remote && values_.pending
           && values_.unanswered > 1)
    send_initiation(at);
}

std::uint32_t peer_session::next_index() {
  return indices_.encode(values_.slot, values_.generation++);
}

std::optional<time_point> peer_session::session_created() const {
  const auto* keys = keys_.current();
  return keys != nullptr ? std::optional(keys->created) : std::nullopt;
}

void peer_session::initiate_handshake(const instant& at) {
  values_.has_reason = true;
  start_handshake(at);
}

void peer_session::renew(const instant& at) {
  if (is_proven())
    start_handshake(at);
}

void peer_session::start_handshake(const instant& at) {
  if (values_.last_handshake_sent
      && at.now - *values_.last_handshake_sent < limits::rekey_timeout
      && at.now >= *values_.last_handshake_sent) {
    // One is under way.  If the peer began it, nobody repeats it for us.
    if (!values_.deadlines.is_set(deadline::retransmit_handshake)) {
      values_.attempts = 0;
      values_.deadlines.set(deadline::retransmit_handshake,
                            *values_.last_handshake_sent + limits::rekey_timeout
                              + jitter());
    }
    return;
  }
  // A round that goes on counts its attempts, however often it is asked for:
  // steady traffic must not keep it from being given up.
  if (values_.deadlines.is_set(deadline::retransmit_handshake)) {
    retry_handshake(at);
    return;
  }
  values_.attempts = 0;
  send_initiation(at);
}

void peer_session::wake(const endpoint& configured, const instant& at) {
  if (!session_created()
      && !values_.deadlines.is_set(deadline::retransmit_handshake)
      && values_.path && values_.path->remote == configured)
    renew(at);
}

void peer_session::send_initiation(const instant& at) {
  const auto* with = statics();
  if (with == nullptr || !values_.path || !may_initiate(at))
    return;
  initiation_message message{};
  const auto index = next_index();
  // The peer takes no timestamp twice, and none that is older: a wall clock
  // that was set back must not lock us out.
  values_.last_timestamp
    = std::max(at.wall, values_.last_timestamp + timestamp_step);
  auto started = noise_initiator::start(
    *self_, *with, index, to_tai64n(values_.last_timestamp), random_, message);
  if (!started)
    return;
  values_.pending.emplace(
    pending_initiation{std::move(*started), index, at.now});
  ++values_.unanswered;
  values_.last_handshake_sent = at.now;
  stamper_.stamp(message, at.now);
  values_.outbox.push_back(to_vector(message));
  values_.sent.bytes += message.size();
  authenticated_traversal(at.now);
  authenticated_sent();
  values_.deadlines.set(deadline::retransmit_handshake,
                        at.now + limits::rekey_timeout + jitter());
}

void peer_session::retry_handshake(const instant& at) {
  constexpr auto max_attempts
    = limits::rekey_attempt_time / limits::rekey_timeout;
  if (values_.attempts >= max_attempts) {
    give_up(at);
    return;
  }
  ++values_.attempts;
  forget_source();
  send_initiation(at);
}

void peer_session::give_up(const instant& at) {
  values_.deadlines.cancel(deadline::retransmit_handshake);
  values_.deadlines.cancel(deadline::passive_keepalive);
  drop_staged(drop_reason::handshake_failed);
  values_.pending.reset();
  values_.attempts = 0;
  values_.has_reason = false;
  ++values_.given_up;
  if (!values_.deadlines.is_set(deadline::zero_keys))
    values_.deadlines.set(deadline::zero_keys,
                          at.now + 3 * limits::reject_after_time);
}

void peer_session::receive(const noise_claim& claim, const network_path& from,
                           const instant& at) {
  const auto* with = statics();
  if (with == nullptr) {
    values_.drops.dropped(drop_reason::invalid_handshake, 1,
                          {{}, &from.remote});
    return;
  }
  if (values_.last_accepted && at.now >= *values_.last_accepted
      && at.now - *values_.last_accepted < limits::min_initiation_interval) {
    values_.drops.dropped(drop_reason::rate_limited, 1, {{}, &from.remote});
    return;
  }
  const auto responder = noise_responder::accept(claim, *with);
  if (!responder) {
    values_.drops.dropped(drop_reason::invalid_handshake, 1,
                          {{}, &from.remote});
    return;
  }
  if (responder->timestamp() <= values_.newest_timestamp) {
    values_.drops.dropped(drop_reason::replayed_handshake, 1,
                          {{}, &from.remote});
    refusal_ = {handshake_refusal::cause::older_stamp, from.remote,
                ++values_.older_stamps,
                seconds_of(values_.newest_timestamp)
                  - seconds_of(responder->timestamp())};
    return;
  }
  values_.older_stamps = 0;
  values_.newest_timestamp = responder->timestamp();
  values_.last_accepted = at.now;
  values_.received.bytes += wire::initiation_size;
  accept_initiation(*responder, from, at);
}

void peer_session::accept_initiation(const noise_responder& responder,
                                     const network_path& from,
                                     const instant& at) {
  follow_endpoint(from);
  authenticated_received();
  response_message message{};
  const auto index = next_index();
  const auto keys = responder.respond(values_.psk, index, random_, message);
  if (!keys)
    return;
  ++values_.unused_answers;
  stamper_.stamp(message, at.now);
  values_.outbox.push_back(to_vector(message));
  values_.sent.bytes += message.size();
  values_.last_handshake_sent
    = at.now; // a handshake is under way: start no other
  if (values_.pending)
    values_.pending->crossed = true;
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
  if (!self_ || !values_.pending || values_.pending->index != index
      || at.now - values_.pending->sent >= limits::rekey_attempt_time
      || !values_.pending->forgeries.has(at.now)) {
    values_.drops.dropped(drop_reason::invalid_handshake, 1,
                          {message, &from.remote});
    return;
  }
  const auto keys
    = values_.pending->initiator.finish(*self_, values_.psk,
                                        message.first<wire::response_size>(),
                                        values_.other_psks);
  if (!keys) {
    values_.pending->forgeries.take(at.now);
    values_.drops.dropped(drop_reason::invalid_handshake, 1,
                          {message, &from.remote});
    refusal_ = {handshake_refusal::cause::answer_not_opened, from.remote};
    return;
  }
  const auto remote
    = load_le<std::uint32_t>(message.data() + wire::response_sender);
  auto crossed = crossing::none;
  if (values_.pending->crossed)
    crossed = self_->public_static() > values_.peer ? crossing::prevails
                                                    : crossing::yields;
  // A response can be held back: the session is as old as its initiation,
  // which is what the other side counts from.
  const auto created = std::min(values_.pending->sent, at.now);
  if (values_.unanswered == 1)
    values_.round_trip = at.now - created;
  values_.pending.reset();
  values_.received.bytes += message.size();
  follow_endpoint(from);
  start_session(std::make_unique<keypair>(*keys, index, remote, true, created),
                crossed, at);
  authenticated_received();
  authenticated_traversal(at.now);
  handshake_completed(at);
  // The responder may use the session only once it has seen us use it.
  values_.keepalive_due = true;
  session_usable(at);
}

void peer_session::handle_cookie_reply(const_byte_span message,
                                       const instant& at) {
  // It authenticates nobody: neither endpoint nor timers change.
  if (values_.forged_cookies.has(at.now)
      && stamper_.consume_reply(message.first<wire::cookie_reply_size>(),
                                at.now)) {
    values_.received.bytes += message.size();
    return;
  }
  values_.forged_cookies.take(at.now);
  values_.drops.dropped(drop_reason::invalid_handshake, 1, {message});
}

void peer_session::start_session(std::unique_ptr<keypair> keys,
                                 crossing crossed, const instant& at) {
  keys_.add(std::move(keys), crossed);
  values_.silence_jitter = jitter();
  values_.deadlines.set(deadline::zero_keys,
                        at.now + 3 * limits::reject_after_time);
}

void peer_session::handshake_completed(const instant& at) {
  // The response to an initiation of ours that has not come by now is of no
  // use any more, and whoever holds it back could end this session with it.
  values_.pending.reset();
  values_.deadlines.cancel(deadline::retransmit_handshake);
  values_.attempts = 0;
  values_.has_reason = false;
  values_.unanswered = 0;
  values_.unused_answers = 0;
  values_.final_rekey_sent = false;
  values_.last_handshake = at.wall;
}

void peer_session::session_usable(const instant& at) {
  if (!staged_.empty() && usable_keypair(at.now, staged_.size()) != nullptr)
    values_.staged_sendable = true;
}

} // namespace weft
