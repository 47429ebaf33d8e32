#include "actors/handshake_gate.hpp"

#include "platform/clock.hpp"

namespace weft {

using namespace std::chrono_literals;

handshake_gate::handshake_gate(
  caf::actor_config& config, io_loop_ptr loop, udp_port_actor socket,
  std::shared_ptr<const receiver_index_codec> indices, change_identity us)
  : hosted(config, std::move(loop)), socket_(std::move(socket)),
    indices_(std::move(indices)), limiter_(random_) {
  set_identity(us.speaker());
}

handshake_gate::behavior_type handshake_gate::make_behavior() {
  send(socket_, gate_started{caf::actor_cast<handshake_gate_actor>(this)});
  return {
    [this](const incoming_handshakes& incoming) { check_all(incoming); },
    [this](const change_identity& changed) -> caf::result<void> {
      set_identity(changed.speaker());
      return caf::unit;
    },
    [this](const peer_entries_changed& changed) {
      for (const auto& entry : changed.entries)
        change_entry(entry);
    },
    [this](const unknown_session_used& used) { wake_peer_at(used.remote); },
    [this](const routes_changed& changed) -> caf::result<void> {
      routes_ = changed.snapshot;
      return caf::unit;
    },
    [this](const report_request&) { return drop_report{drops_}; },
  };
}

void handshake_gate::on_exit() {
  socket_ = nullptr;
  peers_.clear();
  by_endpoint_.clear();
  routes_.reset();
  self_.reset();
  checker_.reset();
}

void handshake_gate::set_identity(std::shared_ptr<const identity> self) {
  self_ = std::move(self);
  checker_.reset();
  if (self_)
    checker_.emplace(self_->public_static(), random_);
}

void handshake_gate::change_entry(const peer_entry& entry) {
  if (const auto former = peers_.find(entry.key); former != peers_.end()) {
    // Another peer may be configured to be there too.
    if (const auto& where = former->second.configured_endpoint) {
      if (const auto there = by_endpoint_.find(*where);
          there != by_endpoint_.end() && there->second == entry.key)
        by_endpoint_.erase(there);
    }
    peers_.erase(former);
  }
  if (!entry.actor)
    return;
  peers_.emplace(entry.key, entry);
  if (entry.configured_endpoint)
    by_endpoint_[*entry.configured_endpoint] = entry.key;
}

void handshake_gate::wake_peer_at(const endpoint& remote) {
  // Whoever forges this makes us send one initiation in 5 s at the most, to
  // where we would send it anyway.
  const auto key = by_endpoint_.find(remote);
  if (key == by_endpoint_.end())
    return;
  if (const auto found = peers_.find(key->second); found != peers_.end())
    send(found->second.actor, session_wanted{});
}

void handshake_gate::check_all(const incoming_handshakes& incoming) {
  const auto now = boot_now();
  if (incoming.waiting > load_threshold)
    last_load_ = now;
  const auto under_load = last_load_ && now - *last_load_ < 1s;
  for (const auto& message : incoming.messages)
    check(message, under_load, now);
  send(socket_, handshakes_processed{incoming.messages.size()});
}

void handshake_gate::check(const handshake_message& message, bool under_load,
                           time_point now) {
  if (!checker_)
    return;
  if (message.size == wire::cookie_reply_size) {
    pass_answer(message, wire::cookie_reply_receiver);
    return;
  }
  const auto& source = message.path.remote;
  const auto verdict = checker_->check(message.view(), source, now);
  if (verdict == cookie_checker::verdict::invalid_mac) {
    drops_.add(drop_reason::invalid_mac);
    return;
  }
  if (under_load) {
    if (verdict != cookie_checker::verdict::valid_mac2) {
      drops_.add(drop_reason::cookie_sent);
      send(socket_,
           send_cookie_reply{checker_->make_reply(message.view(), source, now),
                             message.path});
      return;
    }
    if (!limiter_.allow(source.address, now)) {
      drops_.add(drop_reason::rate_limited);
      return;
    }
  }
  if (message.size == wire::initiation_size)
    pass_initiation(message);
  else
    pass_answer(message, wire::response_receiver);
}

void handshake_gate::pass_initiation(const handshake_message& message) {
  auto claim
    = noise_claim::open(*self_, message.view().first<wire::initiation_size>());
  if (!claim) {
    drops_.add(drop_reason::invalid_handshake);
    return;
  }
  const auto found = peers_.find(claim->initiator());
  if (found == peers_.end()) {
    drops_.add(drop_reason::unknown_peer);
    return;
  }
  send(found->second.actor,
       initiation_received{
         std::make_shared<const noise_claim>(std::move(*claim)), message.path});
}

void handshake_gate::pass_answer(const handshake_message& message,
                                 std::size_t receiver_at) {
  const auto index = load_le<std::uint32_t>(message.bytes.data() + receiver_at);
  const auto* peer = routes_ ? routes_->peer(indices_->slot(index)) : nullptr;
  if (peer != nullptr)
    send(*peer, answer_received{message});
  else
    drops_.add(drop_reason::unknown_index);
}

} // namespace weft
