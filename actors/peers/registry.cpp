// Changes: what is asked for is made in the directory and with the peers'
// actors, and published.
#include "actors/peers/registry.hpp"

#include "messages/errors.hpp"
#include "platform/memory.hpp"

#include <cerrno>

namespace weft {

namespace {

// Texts that are parsed never have IPv4-mapped addresses, but whoever embeds an
// overlay, or writes to it as a program, may send them.

endpoint plain(endpoint where) {
  where.address = where.address.unmapped();
  return where;
}

/// With no host bits, either.
ip_prefix plain(const ip_prefix& prefix) {
  const auto v4 = prefix.address.unmapped();
  const auto bits = prefix.address.bits() - v4.bits();
  if (prefix.length < bits)
    return prefix.network(); // more than the mapped addresses
  return ip_prefix{v4, static_cast<std::uint8_t>(prefix.length - bits)}
    .network();
}

patch<peer_config> plain(patch<peer_config> update) {
  const auto* where = update.find(&peer_config::endpoint);
  if (const auto numeric = where ? numeric_of(*where) : std::nullopt)
    update.set(&peer_config::endpoint, plain(*numeric));
  for (auto& change : update.allowed_ips)
    change.prefix = plain(change.prefix);
  return update;
}

} // namespace

registry::registry(caf::actor_config& config, io_loop_ptr loop,
                   std::vector<lane> lanes, registry_neighbours neighbours,
                   std::shared_ptr<const receiver_index_codec> indices,
                   change_identity us, std::shared_ptr<spdlog::logger> log)
  : hosted(config, std::move(loop)), lanes_(std::move(lanes)),
    neighbours_(std::move(neighbours)), indices_(std::move(indices)),
    us_(std::move(us)), log_(std::move(log)), published_{us_, nullptr} {
  set_down_handler([this](const caf::down_msg& down) { peer_ended(down); });
}

registry::behavior_type registry::make_behavior() {
  return {
    [this](device_update& update) { return apply(update); },
    [this](const change_existing_peer& asked) { return change_peer_of(asked); },
    [this](const check_update& asked) -> caf::result<void> {
      if (auto reason = check(*asked.update))
        return reason;
      return caf::unit;
    },
    [this](const change_identity& changed) { return set_identity(changed); },
    [this](const go_on_changing&) { go_on(); },
    [this](const endpoint_resolved& resolved) { set_resolved(resolved); },
    [this](const endpoint_not_found& failure) { lookup_failed(failure); },
    [this](const endpoint_unanswered& unanswered) {
      try_another_address(unanswered);
    },
    [this](const session_ended& ended) { remember(ended); },
    [this](const host_routes_changed&) {
      tell_of_host_routes();
      check_ways();
    },
    [this](const begin_handshake& asked) { return start_handshake(asked); },
    [this](const session_noted& noted) { note(noted); },
    [this](const reset_peer& asked) { return reset(asked.peer); },
    [this](const prepare_freeze&) { return prepare_to_stand_still(); },
    [this](const freeze_peers&) { return stand_still(); },
    [this](const peers_stand_still& all) { all_stand_still(all.left); },
    [this](const thaw& go_on) {
      frozen_ = false;
      leaving_.reset();
      freezing_ = {};
      if (!heaps_.empty()) { // for what is not saved now
        heaps_.clear();
        release_memory_aside();
      }
      for (const auto& seat : seats_) {
        if (seat.actor)
          send(seat.actor, go_on);
      }
    },
    [this](const forget_keys&) { return wipe_keys(); },
    [this](const keys_forgotten&) { forgetting_.deliver(caf::unit_t{}); },
    [this](const inherit_peers& asked) { return inherit(asked); },
    [this](const check_handshake& asked) { return handshake_since(asked); },
    [this](const configuration_request&) { return configuration(); },
    [this](const networks_request& asked) { return networks(asked.routes); },
    [this](const addresses_request&) { return addresses(); },
    [this](const report_request& request) { return report(request); },
  };
}

void registry::on_exit() {
  freezing_ = {}; // it holds this actor
  heaps_.clear();
  forgetting_ = {};
  for (const auto& seat : seats_) {
    if (seat.actor) {
      demonitor(seat.actor.address());
      send_exit(seat.actor, caf::exit_reason::user_shutdown);
    }
  }
  seats_.clear();
  directory_ = {};
  by_address_.clear();
  new_entries_.entries.clear();
  changing_.reset();
  gathering_.reset();
  under_way_.clear();
  published_ = {};
  ending_.clear();
  table_ = {};
  neighbours_ = {};
  for (const auto& each : lanes_)
    each.loop->stop();
  lanes_.clear();
  us_ = {};
}

// -- changes -----------------------------------------------------------------

caf::error registry::check(const device_update& update) const {
  if (auto refusal = directory_.check(update))
    return make_error(refusal->code, std::move(refusal->message),
                      std::move(refusal->field));
  return {};
}

caf::result<config_changes> registry::apply(device_update& update) {
  if (changing_)
    return make_error(EBUSY, "another change is being made");
  if (auto reason = check(update))
    return reason;
  if (update.origin == peer_origin::network)
    directory_.expect_network();
  auto promise = make_response_promise<changes_promise>();
  changing_ = std::make_unique<change_under_way>();
  changing_->update = std::move(update);
  changing_->promise = promise;
  go_on();
  return promise;
}

void registry::go_on() {
  constexpr std::size_t portion = 512; // of peers and prefixes
  if (!changing_)
    return;
  auto& [update, next_slot, next_peer, changes, promise] = *changing_;
  std::size_t made = 0;
  for (;
       update.replace_peers && next_slot < directory_.slots() && made < portion;
       ++next_slot) {
    const auto* known = directory_.find(next_slot);
    if (known == nullptr
        || !peer_directory::replaces(update.origin, known->origin))
      continue;
    remove_peer(next_slot);
    ++changes.peers_removed;
    ++made;
  }
  for (; next_peer < update.peers.size() && made < portion; ++next_peer) {
    const auto change = plain(std::move(update.peers[next_peer]));
    apply_peer(change, update.origin, changes);
    made += 1 + change.allowed_ips.size();
  }
  if (made >= portion) {
    send(caf::actor_cast<registry_actor>(this), go_on_changing{});
    return;
  }
  auto answer = [to = promise, with = std::move(changes)]() mutable {
    to.deliver(std::move(with));
  };
  changing_.reset();
  publish(std::move(answer));
}

caf::result<config_changes>
registry::change_peer_of(const change_existing_peer& asked) {
  const auto& key = asked.update.public_key;
  if (changing_)
    return make_error(EBUSY, "another change is being made");
  const auto slot = directory_.slot_of(key);
  if (!slot)
    return make_error(
      ENOENT, "there is no peer " + to_string(key) + "; add it first", "peer");
  if (directory_.at(*slot).is_networks())
    return make_error(EPERM,
                      "peer " + directory_.label(*slot)
                        + " is the network's, which says how it is: add it "
                          "yourself to have it otherwise",
                      "peer");
  device_update alone;
  alone.peers = {asked.update};
  if (auto reason = check(alone))
    return reason;
  config_changes changes;
  apply_peer(plain(asked.update), alone.origin, changes);
  auto promise = make_response_promise<changes_promise>();
  publish([promise, changes]() mutable { promise.deliver(changes); });
  return promise;
}

void registry::apply_peer(const patch<peer_config>& change, peer_origin origin,
                          config_changes& changes) {
  const auto slot = directory_.slot_of(change.public_key);
  if (origin == peer_origin::network && change.verb != peer_verb::update)
    directory_.network_has_said(change.public_key);
  if (is_refused(change, origin, changes))
    return;
  switch (change.verb) {
    case peer_verb::put:
      if (slot)
        change_known(*slot, change, origin, changes);
      else
        add_peer(change, origin, changes);
      break;
    case peer_verb::update:
      if (slot)
        change_known(*slot, change, origin, changes);
      break;
    case peer_verb::remove:
      if (slot) {
        remove_peer(*slot);
        ++changes.peers_removed;
      }
      break;
  }
}

bool registry::is_refused(const patch<peer_config>& change, peer_origin origin,
                          config_changes& changes) {
  const auto slot = directory_.slot_of(change.public_key);
  const bool is_others
    = slot && !peer_directory::replaces(origin, directory_.at(*slot).origin);
  std::string text;
  if (origin != peer_origin::network) {
    if (!is_others || change.verb == peer_verb::put)
      return false;
    text = "peer " + directory_.label(*slot)
           + " is the network's, and stays as it is";
  } else {
    if (change.verb == peer_verb::remove)
      return is_others; // it was taken over, which the network will hear of
    const auto why = directory_.find_breach(change);
    if (!why)
      return false;
    const auto* name = change.find(&peer_config::name);
    text = "peer "
           + name_in_log(name != nullptr ? *name : "", change.public_key)
           + " of the network is refused: " + *why;
  }
  if (changes.notes.size() < most_notes) {
    log_->warn("{}", text);
    changes.notes.push_back(std::move(text));
  }
  return true;
}

void registry::note_taken(const std::string& by,
                          const peer_directory::prefix_changes& changed,
                          config_changes& changes) {
  for (const auto& [prefix, loser] : changed.taken) {
    if (changes.notes.size() >= most_notes)
      return;
    auto text = to_string(prefix) + " of the network's peer "
                + directory_.label(loser) + " is left to " + by;
    log_->warn("{}", text);
    changes.notes.push_back(std::move(text));
  }
}

void registry::show_names(const std::string& name) {
  for (const auto slot : directory_.network_named(name)) {
    patch<peer_config> shown;
    shown.public_key = directory_.at(slot).config.public_key;
    shown.set(&peer_config::name, directory_.shown_name(slot));
    tell(seats_[slot].actor, std::move(shown));
  }
}

void registry::add_peer(const patch<peer_config>& change, peer_origin origin,
                        config_changes& changes) {
  if (us_.self && us_.self->public_static() == change.public_key) {
    const auto* name = change.find(&peer_config::name);
    leave_out(name != nullptr ? *name : std::string{}, changes);
    return;
  }
  const auto slot = directory_.add(change, origin, loop().random());
  if (seats_.size() <= slot)
    seats_.resize(slot + 1);
  auto& seat = seats_[slot];
  seat.last = recall(slot);
  seat.found.clear();
  // Not the indices of the slot's former peer again.
  seat.last.memory.generation = directory_.generation(slot);
  spawn_peer(slot);
  const auto& name = directory_.at(slot).config.name;
  if (origin != peer_origin::network
      || directory_.network_named(name).size() > 1)
    show_names(name);
  resolve(slot);
  change_allowed_ips(slot, change, changes);
  ++changes.peers_added;
  tell_event(event_kind::peer_added, slot);
  check_way(slot);
}

void registry::leave_out(const std::string& name, config_changes& changes) {
  auto text = "peer " + (name.empty() ? "without a name" : "'" + name + "'")
              + " is left out: it has this node's own public key";
  log_->warn("{}", text);
  changes.notes.push_back(std::move(text));
}

void registry::change_known(slot_number slot, const patch<peer_config>& asked,
                            peer_origin origin, config_changes& changes) {
  const auto label = directory_.label(slot);
  const auto former_name = directory_.at(slot).config.name;
  const bool is_taken
    = origin != peer_origin::network && directory_.at(slot).is_networks();
  auto change = is_taken ? peer_directory::whole(asked) : asked;
  if (is_taken) {
    auto text = "peer " + label + " was the network's, and is not any more";
    log_->info("{}", text);
    if (changes.notes.size() < most_notes)
      changes.notes.push_back(std::move(text));
  }
  const auto keys = directory_.change_keys(slot, change, origin);
  if (change.find(&peer_config::endpoint) != nullptr) {
    seats_[slot].heard_at.reset();
    seats_[slot].found.clear();
    announce(slot);
    resolve(slot);
    check_way(slot);
  }
  // Whoever adds a peer may not know that there is more to it.
  if (change.verb == peer_verb::put && !is_taken && !keys.cleared.empty()
      && changes.notes.size() < most_notes) {
    std::string names;
    for (const auto name : keys.cleared)
      names += (names.empty() ? "" : ", ") + std::string{name};
    changes.notes.push_back(label + " was known, and has lost: " + names);
  }
  if (is_taken)
    send(seats_[slot].actor, origin_changed{origin});
  if (change.find(&peer_config::name) != nullptr) {
    change.set(&peer_config::name, directory_.shown_name(slot));
    const auto name = directory_.at(slot).config.name;
    if (origin != peer_origin::network || name != former_name) {
      show_names(former_name);
      if (name != former_name)
        show_names(name);
    }
  }
  tell(seats_[slot].actor, change);
  if (change_allowed_ips(slot, change, changes) || keys.any)
    ++changes.peers_changed;
}

bool registry::change_allowed_ips(slot_number slot,
                                  const patch<peer_config>& change,
                                  config_changes& changes) {
  auto changed = directory_.change_allowed_ips(slot, change);
  if (!changed.losers.empty()) {
    gathering()->losers.merge(changed.losers);
    gathering()->was_busy = true;
  }
  for (const auto& [prefix, former] : changed.moved) {
    if (changes.notes.size() < most_notes)
      changes.notes.push_back(to_string(prefix) + " moved from "
                              + directory_.label(former));
  }
  note_taken(directory_.label(slot), changed, changes);
  return changed.any;
}

void registry::remove_peer(slot_number slot) {
  const auto key = directory_.at(slot).config.public_key;
  const auto name = directory_.at(slot).config.name;
  tell_event(event_kind::peer_removed, slot);
  if (neighbours_.keeper)
    send(neighbours_.keeper, peer_forgotten{key});
  new_entries_.entries.push_back({key, {}, {}});
  end_peer(slot, directory_.remove(slot));
  show_names(name);
}

/// To the gate, with the next publication.
void registry::announce(slot_number slot) {
  const auto& known = directory_.at(slot);
  new_entries_.entries.push_back(
    {known.config.public_key, seats_[slot].actor, known.address});
}

void registry::tell_event(event_kind kind, slot_number slot,
                          std::string reason) {
  const auto& known = directory_.at(slot);
  overlay_event event;
  event.kind = kind;
  event.peer = known.config.public_key;
  event.peer_name = directory_.shown_name(slot);
  event.endpoint = known.address;
  event.reason = std::move(reason);
  send(neighbours_.events, std::move(event));
}

caf::result<config_changes>
registry::set_identity(const change_identity& changed) {
  const auto& change = gathering();
  // Whom the gate listens as already, as after the machine was cloned: keys
  // that a clone has too serve no packet more than needed.
  change->peers_know_speaker = published_.speaker.self == changed.self
                               && published_.speaker.link_up == changed.link_up;
  change->speaker = true;
  change->was_busy = true;
  if (change->peers_know_speaker)
    tell_speaker(change);
  us_ = changed;
  config_changes changes;
  if (us_.self) {
    // Nobody is a peer of itself.
    if (const auto slot = directory_.slot_of(us_.self->public_static())) {
      leave_out(directory_.at(*slot).config.name, changes);
      remove_peer(*slot);
      ++changes.peers_removed;
    }
  }
  auto promise = make_response_promise<changes_promise>();
  publish([promise, changes]() mutable { promise.deliver(changes); });
  return promise;
}

} // namespace weft
