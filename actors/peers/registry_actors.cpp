// The peers' actors: they begin, begin again after a failure, and end.
#include "actors/peers/registry.hpp"
#include "messages/errors.hpp"

namespace weft {

using namespace std::chrono_literals;

namespace {

/// A peer that fails again within this time is started again only then.
constexpr auto min_life = 1s;

} // namespace

const lane& registry::lane_of(slot_number slot) const {
  return lanes_[slot % lanes_.size()];
}

void registry::spawn_peer(slot_number slot,
                          std::shared_ptr<const saved_session> saved) {
  auto& seat = seats_[slot];
  const auto& known = directory_.at(slot);
  const auto& on = lane_of(slot);
  auto config = known.config;
  config.name = directory_.shown_name(slot);
  // It begins with its first message: its loop is not woken for each.
  seat.actor = system().spawn<peer, caf::lazy_init>(
    on.loop, on.space,
    peer_neighbours{on.socket, on.writer, on.timer,
                    caf::actor_cast<registry_actor>(this), neighbours_.events},
    us_.speaker(), slot, seat.last, config,
    peer_beginning{known.address, known.other_preshared_keys, known.origin,
                   std::move(saved)});
  seat.started = loop().now();
  monitor(seat.actor);
  by_address_[seat.actor.address()] = slot;
  table_.set(slot, seat.actor);
  announce(slot);
}

/// Of a peer that was removed.
void registry::end_peer(slot_number slot, peer_directory::departure departure) {
  auto gone = std::exchange(seats_[slot], {});
  table_.set(slot, {});
  const auto& change = gathering();
  ++change->removed;
  change->was_busy = true;
  // It may have failed, and not have been started again yet.
  if (by_address_.erase(gone.actor.address()) == 0) {
    directory_.has_left(departure, gone.last.memory.generation);
    return;
  }
  ++change->missing;
  ending_[gone.actor.address()] = {departure, gone.last, change};
  send_exit(gone.actor, caf::exit_reason::user_shutdown);
}

/// Whether it was told to end.  Its slot is free from now on, for sessions with
/// other receiver indices than it had.
bool registry::removed_peer_ended(const caf::actor_addr& who) {
  const auto found = ending_.find(who);
  if (found == ending_.end())
    return false;
  const auto ended = std::move(found->second);
  ending_.erase(found);
  directory_.has_left(ended.departure, ended.last.memory.generation);
  acknowledged(ended.change);
  return true;
}

/// What a peer leaves behind comes before the news that it has ended.
void registry::remember(const session_ended& ended) {
  ended_drops_.add(ended.drops);
  const auto who = caf::actor_cast<caf::actor_addr>(current_sender());
  if (const auto live = by_address_.find(who); live != by_address_.end())
    seats_[live->second].last = ended;
  else if (const auto removed = ending_.find(who); removed != ending_.end())
    removed->second.last = ended;
}

void registry::peer_ended(const caf::down_msg& down) {
  const auto found = by_address_.find(down.source);
  if (removed_peer_ended(down.source) || found == by_address_.end())
    return;
  const auto slot = found->second;
  by_address_.erase(found);
  auto& seat = seats_[slot];
  ++seat.restarts;
  const auto key = directory_.at(slot).config.public_key;
  log_->error("peer {} failed ({}) and is started again with a new session",
              to_string(key), error_message(down.reason));
  tell_event(event_kind::peer_restarted, slot, error_message(down.reason));
  const auto now = loop().now();
  if (now - seat.started >= min_life)
    start_again(slot, key);
  else
    call_at(now + min_life, [this, slot, key] { start_again(slot, key); });
}

void registry::start_again(slot_number slot, const public_key& key) {
  // It may have been removed meanwhile, or its slot given to another peer.
  if (directory_.slot_of(key) != slot
      || by_address_.contains(seats_[slot].actor.address()))
    return;
  if (frozen_) { // it would send
    call_at(loop().now() + min_life,
            [this, slot, key] { start_again(slot, key); });
    return;
  }
  spawn_peer(slot);
  publish();
}

void registry::tell_of_host_routes() {
  for (const auto& seat : seats_) {
    if (seat.actor)
      send(seat.actor, host_routes_changed{});
  }
}

} // namespace weft
