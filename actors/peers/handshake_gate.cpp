#include "actors/peers/handshake_gate.hpp"

#include <algorithm>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// Messages that are worked on before the loop looks at its sockets again.
/// Fewer than one receive call may yield: what there is no time for must wait
/// here, where it is seen and counts as load, and not in the socket's buffer.
constexpr std::size_t work_at_a_time = 2;

/// A peer is woken this often at the most.  It begins one handshake in 5 s.
constexpr auto min_wake_interval = 200ms;

/// A peer hears this often at the most that somebody uses a wrong key: as often
/// as it would repeat an initiation.
constexpr auto min_warn_interval = limits::rekey_timeout;

drop_context context_of(const handshake_message& message) {
  return {message.view(), &message.path.remote};
}

} // namespace

handshake_gate::handshake_gate(
  caf::actor_config& config, io_loop_ptr loop,
  std::vector<handshake_source_actor> sources,
  std::shared_ptr<const receiver_index_codec> indices,
  const change_identity& us, std::shared_ptr<spdlog::logger> log,
  const std::optional<cookie_checker::state>& cookies)
  : hosted(config, loop), sources_(std::move(sources)),
    indices_(std::move(indices)), limiter_(this->loop().random()),
    log_(std::move(log)),
    drop_lines_(std::make_shared<detail_log>(log_, std::move(loop)), {}),
    early_ends_(this->loop(), [this] { forget_early(); }) {
  drops_.watched_by(&drop_lines_);
  set_identity(us.speaker());
  if (checker_ && cookies)
    checker_->restore(*cookies);
}

handshake_gate::behavior_type handshake_gate::make_behavior() {
  const auto self = caf::actor_cast<handshake_gate_actor>(this);
  for (const auto& source : std::exchange(sources_, {}))
    send(source, gate_started{self});
  return {
    [this](const incoming_handshakes& incoming) { look_at(incoming); },
    [this](const change_identity& changed) -> caf::result<void> {
      set_identity(changed.speaker());
      return caf::unit;
    },
    [this](const peer_entries_changed& changed) {
      for (const auto& entry : changed.entries)
        change_entry(entry);
    },
    [this](const routes_changed& changed) -> caf::result<void> {
      set_routes(changed.snapshot);
      return caf::unit;
    },
    [this](const work_due&) { work(); },
    [this](const freeze_gate&) { return stand_still(); },
    [this](const thaw&) {
      if (!waiting_.empty())
        work();
    },
    [this](const report_request&) {
      return drop_report{drops_, {}, 0};
    },
  };
}

void handshake_gate::on_exit() {
  waiting_.clear();
  early_.clear();
  early_ends_.stop();
  peers_.clear();
  by_endpoint_.clear();
  routes_.reset();
  answers_.clear();
  self_.reset();
  checker_.reset();
}

void handshake_gate::set_identity(std::shared_ptr<const identity> self) {
  waiting_.clear(); // they were for the former one
  early_.clear();
  self_ = std::move(self);
  checker_.reset();
  if (self_)
    checker_.emplace(self_->public_static(), loop().random());
}

void handshake_gate::change_entry(const peer_entry& entry) {
  if (const auto former = peers_.find(entry.key); former != peers_.end()) {
    if (const auto& where = former->second.entry.configured_endpoint) {
      const auto [first, last] = by_endpoint_.equal_range(*where);
      const auto there = std::find_if(first, last, [&](const auto& place) {
        return place.second == entry.key;
      });
      if (there != last)
        by_endpoint_.erase(there);
    }
    peers_.erase(former);
  }
  if (!entry.actor)
    return;
  peers_.emplace(entry.key, known_peer{entry, {}, {}});
  if (entry.configured_endpoint)
    by_endpoint_.emplace(*entry.configured_endpoint, entry.key);
}

void handshake_gate::wake_peers_at(const endpoint& remote, time_point now) {
  // Whoever forges this makes us send one initiation in 5 s at the most, to
  // where we would send it anyway.
  const auto [first, last] = by_endpoint_.equal_range(remote);
  for (auto place = first; place != last; ++place) {
    const auto found = peers_.find(place->second);
    if (found == peers_.end())
      continue;
    auto& peer = found->second;
    if (peer.woken && now - *peer.woken < min_wake_interval)
      continue;
    peer.woken = now;
    send(peer.entry.actor, session_wanted{});
  }
}

void handshake_gate::tell_wrong_key(const endpoint& from, time_point now) {
  // At any port: a peer behind NAT speaks from another one than it listens at.
  auto place = by_endpoint_.lower_bound(endpoint{from.address, 0, 0});
  auto is_peer = false;
  constexpr std::size_t most = 8; // of those behind one NAT
  for (std::size_t count = 0; count < most && place != by_endpoint_.end()
                              && place->first.address == from.address;
       ++place, ++count) {
    is_peer = true;
    auto& peer = peers_.at(place->second);
    if (peer.warned && now - *peer.warned < min_warn_interval)
      continue;
    peer.warned = now;
    send(peer.entry.actor, wrong_key_claimed{from});
  }
  if (is_peer)
    return;
  if (const auto due = strangers_.uses_wrong_key(from, now))
    log_->info("{} handshake message(s) for another public key than ours, the "
               "last from {} (claimed)",
               due->messages, to_string(due->last));
}

void handshake_gate::tell_stranger(const public_key& key,
                                   const endpoint& from) {
  if (strangers_.knocks(key, from, loop().now()))
    log_->info("a stranger with the key {} (claimed) asks for a handshake from "
               "{}: add the peer, if it is one",
               to_string(key), to_string(from));
}

bool handshake_gate::is_under_load(time_point now) {
  if (waiting_.size() > load_threshold)
    last_load_ = now;
  if (last_load_ && now - *last_load_ >= 1s) {
    last_load_.reset();
    limiter_.collect_garbage(now);
  }
  return last_load_.has_value();
}

void handshake_gate::look_at(const incoming_handshakes& incoming) {
  const auto now = loop().now();
  for (const auto& remote : incoming.unknown)
    wake_peers_at(remote, now);
  for (const auto& message : incoming.messages)
    check(message, now);
  if (!replies_.empty())
    send(incoming.answers, send_cookie_replies{std::exchange(replies_, {})});
  send(incoming.from,
       handshakes_processed{incoming.messages.size(), incoming.unknown.size()});
  if (!waiting_.empty())
    work();
}

void handshake_gate::check(const handshake_message& message, time_point now) {
  if (!checker_)
    return;
  if (message.size == wire::cookie_reply_size) {
    // Without a MAC of ours, and cheap: neither work nor load.
    pass_answer(message, wire::cookie_reply_receiver, now);
    return;
  }
  const auto& source = message.path.remote;
  const auto verdict = checker_->check(message.view(), source, now);
  if (verdict == cookie_checker::verdict::invalid_mac) {
    drops_.dropped(drop_reason::invalid_mac, 1, context_of(message));
    tell_wrong_key(source, now);
    return;
  }
  if (is_under_load(now)) {
    if (verdict != cookie_checker::verdict::valid_mac2) {
      drops_.dropped(drop_reason::cookie_sent, 1, context_of(message));
      replies_.push_back(
        {checker_->make_reply(message.view(), source, now), message.path});
      return;
    }
    if (!limiter_.allow(source.address, now)) {
      drops_.dropped(drop_reason::rate_limited, 1, context_of(message));
      return;
    }
  }
  if (waiting_.size() == max_waiting)
    drops_.dropped(drop_reason::handshake_overload, 1, context_of(message));
  else
    waiting_.push_back(message);
}

void handshake_gate::work() {
  for (std::size_t i = 0; i < work_at_a_time && !waiting_.empty(); ++i)
    work_on_first();
  if (!waiting_.empty())
    work_later();
}

void handshake_gate::work_on_first() {
  const auto message = waiting_.front();
  waiting_.pop_front();
  if (message.size == wire::initiation_size)
    pass_initiation(message);
  else
    pass_answer(message, wire::response_receiver, loop().now());
}

frozen_gate handshake_gate::stand_still() {
  call_off(more_work_);
  for (std::size_t i = 0; i < most_finished && !waiting_.empty(); ++i)
    work_on_first();
  if (!checker_)
    return {};
  return {checker_->save()};
}

void handshake_gate::work_later() {
  // Not before the loop has looked at its sockets: what arrives has its MAC
  // checked first, so that what waits is what there is no time for.
  call_off(more_work_);
  more_work_ = call_at(loop().now(), [this] {
    send(caf::actor_cast<handshake_gate_actor>(this), work_due{});
  });
}

void handshake_gate::pass_initiation(const handshake_message& message) {
  auto claim
    = noise_claim::open(*self_, message.view().first<wire::initiation_size>());
  if (!claim) {
    drops_.dropped(drop_reason::invalid_handshake, 1, context_of(message));
    return;
  }
  const auto found = peers_.find(claim->initiator());
  if (found == peers_.end()) {
    drops_.dropped(drop_reason::unknown_peer, 1, context_of(message));
    tell_stranger(claim->initiator(), message.path.remote);
    keep_early(std::move(*claim), message.path);
    return;
  }
  send(found->second.entry.actor,
       initiation_received{
         std::make_shared<const noise_claim>(std::move(*claim)), message.path});
}

/// Nothing is answered to a stranger: whoever sends this sees no difference
/// until it is a peer, and then the session looks at it as at any other.
void handshake_gate::keep_early(noise_claim claim, const network_path& path) {
  std::erase_if(early_, [&](const auto& each) {
    return each.what.claim->initiator() == claim.initiator();
  });
  if (early_.size() == most_early)
    early_.pop_front();
  early_.push_back(
    {{std::make_shared<const noise_claim>(std::move(claim)), path},
     loop().now() + early_patience});
  early_ends_.set(early_.front().until);
}

/// Those that have been repeated by now.
void handshake_gate::forget_early() {
  while (!early_.empty() && early_.front().until <= loop().now())
    early_.pop_front();
  if (!early_.empty())
    early_ends_.set(early_.front().until);
}

/// To those who are peers by now.
void handshake_gate::pass_early() {
  forget_early();
  std::erase_if(early_, [&](const auto& each) {
    const auto found = peers_.find(each.what.claim->initiator());
    if (found == peers_.end())
      return false;
    send(found->second.entry.actor, each.what);
    return true;
  });
}

void handshake_gate::pass_answer(const handshake_message& message,
                                 std::size_t receiver_at, time_point now) {
  const auto index = load_le<std::uint32_t>(message.bytes.data() + receiver_at);
  const auto slot = indices_->slot(index);
  const auto* peer = routes_ ? routes_->peer(slot) : nullptr;
  if (peer == nullptr) {
    drops_.dropped(drop_reason::unknown_index, 1, context_of(message));
    return;
  }
  auto& budget = answers_[slot];
  auto& left = message.size == wire::cookie_reply_size ? budget.cookies
                                                       : budget.responses;
  if (left.take(now))
    send(*peer, answer_received{message});
  else
    drops_.dropped(drop_reason::rate_limited, 1, context_of(message));
}

void handshake_gate::set_routes(routes_ptr snapshot) {
  routes_ = std::move(snapshot);
  std::erase_if(answers_, [this](const auto& entry) {
    return !routes_ || routes_->peer(entry.first) == nullptr;
  });
  pass_early(); // the lane's socket was told of them before they answer
}

} // namespace weft
