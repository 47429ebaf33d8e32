#include "actors/peers/registry.hpp"

#include "messages/errors.hpp"
#include "platform/clock.hpp"
#include "protocol/base/random.hpp"

#include <algorithm>
#include <cerrno>
#include <unordered_set>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// Notes on single peers are for people: no answer has more of them.
constexpr std::size_t most_notes = 16;

std::string label_of(const peer_config& config) {
  return config.name.empty() ? to_string(config.public_key) : config.name;
}

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

/// What a peer that is known loses because it was added as if it were new.
std::string
cleared_keys(const peer_config& former, const patch<peer_config>& update) {
  std::string names;
  for_each_field<peer_config>([&](const auto& row, auto) {
    if (update.clears(row.member)
        && former.*row.member != peer_config{}.*row.member)
      names += (names.empty() ? "" : ", ") + std::string{row.name};
  });
  return names;
}

caf::error name_is_taken(const std::string& name) {
  return make_error(EEXIST,
                    "peer.name: another peer is called '" + name
                      + "'; choose another name",
                    "peer.name");
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
    [this](const changes_overdue&) { give_up_waiting(); },
    [this](const endpoint_resolved& resolved) { set_resolved(resolved); },
    [this](const endpoint_not_found& failure) { lookup_failed(failure); },
    [this](const endpoint_unanswered& unanswered) {
      try_another_address(unanswered);
    },
    [this](const lookup_due& due) { resolve_again(due); },
    [this](const session_ended& ended) { remember(ended); },
    [this](const restart_peer& request) { start_again(request); },
    [this](const source_lost&) { forget_sources(); },
    [this](const check_handshake& asked) { return handshake_since(asked); },
    [this](const configuration_request&) { return configuration(); },
    [this](const report_request& request) { return report(request); },
  };
}

void registry::on_exit() {
  for (auto& entry : slots_) {
    if (entry.actor) {
      demonitor(entry.actor.address());
      send_exit(entry.actor, caf::exit_reason::user_shutdown);
    }
  }
  slots_.clear();
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

const lane& registry::lane_of(std::uint32_t slot) const {
  return lanes_[slot % lanes_.size()];
}

// -- changes -----------------------------------------------------------------

bool registry::has_room_for(const device_update& update) const {
  if (by_key_.size() + update.peers.size() <= receiver_index_codec::max_slots)
    return true;
  std::unordered_set<public_key> added;
  for (const auto& peer : update.peers) {
    if (peer.verb != peer_verb::remove
        && (update.replace_peers || !by_key_.contains(peer.public_key)))
      added.insert(peer.public_key);
  }
  const auto kept = update.replace_peers ? 0 : by_key_.size();
  return kept + added.size() <= receiver_index_codec::max_slots;
}

caf::error registry::check(const device_update& update) const {
  if (!has_room_for(update))
    return make_error(ENOSPC,
                      "too many peers: a device has room for "
                        + std::to_string(receiver_index_codec::max_slots),
                      "peers");
  if (const auto name = doubled_name(update))
    return name_is_taken(*name);
  return {};
}

caf::result<config_changes> registry::apply(device_update& update) {
  if (changing_)
    return make_error(EBUSY, "another change is being made");
  if (auto reason = check(update))
    return reason;
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
  for (; update.replace_peers && next_slot < slots_.size() && made < portion;
       ++next_slot) {
    if (!slots_[next_slot].actor)
      continue;
    remove_peer(next_slot);
    ++changes.peers_removed;
    ++made;
  }
  for (; next_peer < update.peers.size() && made < portion; ++next_peer) {
    const auto peer = plain(std::move(update.peers[next_peer]));
    apply_peer(peer, changes);
    made += 1 + peer.allowed_ips.size();
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

std::optional<std::string>
registry::doubled_name(const device_update& update) const {
  std::unordered_map<public_key, bool> keeps_name; // of those in the update
  std::unordered_set<std::string, keyed_text_hash> names;
  for (const auto& peer : update.peers) {
    const auto stays = peer.verb != peer_verb::remove;
    const auto* name = peer.find(&peer_config::name);
    keeps_name[peer.public_key] = stays && name == nullptr;
    if (stays && name != nullptr && !name->empty()
        && !names.insert(*name).second)
      return *name;
  }
  if (names.empty() || update.replace_peers)
    return std::nullopt;
  for (const auto& [key, slot] : by_key_) {
    const auto named = keeps_name.find(key);
    const auto& name = slots_[slot].config.name;
    if ((named == keeps_name.end() || named->second) && names.contains(name))
      return name;
  }
  return std::nullopt;
}

caf::result<config_changes>
registry::change_peer_of(const change_existing_peer& asked) {
  const auto& update = asked.update;
  if (changing_)
    return make_error(EBUSY, "another change is being made");
  if (!by_key_.contains(update.public_key))
    return make_error(ENOENT,
                      "there is no peer " + to_string(update.public_key)
                        + "; add it first",
                      "peer");
  device_update alone;
  alone.peers = {update};
  if (const auto name = doubled_name(alone))
    return name_is_taken(*name);
  config_changes changes;
  apply_peer(plain(update), changes);
  auto promise = make_response_promise<changes_promise>();
  publish([promise, changes]() mutable { promise.deliver(changes); });
  return promise;
}

void registry::apply_peer(const patch<peer_config>& update,
                          config_changes& changes) {
  const auto found = by_key_.find(update.public_key);
  if (found == by_key_.end()) {
    if (update.verb != peer_verb::put)
      return;
    if (us_.self && us_.self->public_static() == update.public_key) {
      const auto* name = update.find(&peer_config::name);
      leave_out(name != nullptr ? *name : std::string{}, changes);
      return;
    }
    const auto slot = add_peer(update);
    change_allowed_ips(slot, update, changes);
    ++changes.peers_added;
    tell_event(event_kind::peer_added, slots_[slot]);
    return;
  }
  const auto slot = found->second;
  if (update.verb == peer_verb::remove) {
    remove_peer(slot);
    ++changes.peers_removed;
    return;
  }
  const auto keys_changed = change_existing(slot, update, changes);
  if (change_allowed_ips(slot, update, changes) || keys_changed)
    ++changes.peers_changed;
}

void registry::leave_out(const std::string& name, config_changes& changes) {
  auto text = "peer " + (name.empty() ? "without a name" : "'" + name + "'")
              + " is left out: it has this node's own public key";
  log_->warn("{}", text);
  changes.notes.push_back(std::move(text));
}

void registry::tell_event(event_kind kind, const slot_entry& entry,
                          std::string reason) {
  overlay_event event;
  event.kind = kind;
  event.peer = entry.config.public_key;
  event.peer_name = entry.config.name;
  event.endpoint = entry.address;
  event.reason = std::move(reason);
  send(neighbours_.events, std::move(event));
}

std::uint32_t registry::add_peer(const patch<peer_config>& update) {
  const auto slot = take_slot();
  auto& entry = slots_[slot];
  entry.memory = {};
  // Not the indices of the slot's former peer again.
  entry.memory.generation = generations_[slot];
  entry.config = {};
  update.apply_to(entry.config);
  entry.config.public_key = update.public_key;
  entry.address = numeric_of(entry.config.endpoint);
  by_key_[update.public_key] = slot;
  spawn_peer(slot);
  resolve(slot);
  return slot;
}

void registry::spawn_peer(std::uint32_t slot) {
  auto& entry = slots_[slot];
  const auto& on = lane_of(slot);
  entry.actor = system().spawn<peer>(
    on.loop, on.space,
    peer_neighbours{on.socket, on.writer, on.timer,
                    caf::actor_cast<registry_actor>(this), neighbours_.events},
    us_.speaker(), slot, entry.memory, entry.config, entry.address);
  entry.started = boot_now();
  monitor(entry.actor);
  by_address_[entry.actor.address()] = slot;
  table_.set(slot, entry.actor);
  announce(entry);
}

void registry::announce(const slot_entry& entry) {
  new_entries_.entries.push_back(
    {entry.config.public_key, entry.actor, entry.address});
}

bool registry::change_existing(std::uint32_t slot,
                               const patch<peer_config>& update,
                               config_changes& changes) {
  auto& entry = slots_[slot];
  const auto former = entry.config;
  update.apply_to(entry.config);
  if (update.find(&peer_config::endpoint) != nullptr) {
    // The address of a new name is not known yet; until then the former one.
    if (host_text(entry.config.endpoint).empty())
      entry.address = numeric_of(entry.config.endpoint);
    announce(entry);
    resolve(slot);
  }
  if (update.verb == peer_verb::put && changes.notes.size() < most_notes) {
    if (const auto keys = cleared_keys(former, update); !keys.empty())
      changes.notes.push_back(label_of(former)
                              + " was known, and has lost: " + keys);
  }
  tell(entry.actor, update);
  return entry.config != former;
}

bool registry::change_allowed_ips(std::uint32_t slot,
                                  const patch<peer_config>& update,
                                  config_changes& changes) {
  auto& allowed = slots_[slot].allowed;
  const auto before = allowed;
  if (update.replace_allowed_ips) {
    for (const auto& prefix : allowed)
      prefixes_.erase(prefix, slot);
    allowed.clear();
    note_loss(slot);
  }
  for (const auto& change : update.allowed_ips) {
    const auto& prefix = change.prefix;
    if (change.remove) {
      if (prefixes_.erase(prefix, slot)) {
        allowed.erase(prefix);
        note_loss(slot);
      }
    } else if (prefixes_.find(prefix) != slot) {
      if (const auto former = prefixes_.insert(prefix, slot)) {
        auto& loser = slots_[*former];
        loser.allowed.erase(prefix);
        note_loss(*former);
        if (changes.notes.size() < most_notes)
          changes.notes.push_back(to_string(prefix) + " moved from "
                                  + label_of(loser.config));
      }
      allowed.insert(prefix);
    }
  }
  return allowed != before;
}

void registry::note_loss(std::uint32_t slot) {
  gathering()->losers.insert(slot);
  gathering()->was_busy = true;
}

void registry::remove_peer(std::uint32_t slot) {
  auto& entry = slots_[slot];
  tell_event(event_kind::peer_removed, entry);
  for (const auto& prefix : entry.allowed)
    prefixes_.erase(prefix, slot);
  by_key_.erase(entry.config.public_key);
  new_entries_.entries.push_back({entry.config.public_key, {}, {}});
  const auto has_ended = by_address_.erase(entry.actor.address()) == 0;
  end_peer(slot, has_ended);
  entry = {};
  table_.set(slot, {});
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
    // A peer with our own key disappears.
    if (const auto found = by_key_.find(us_.self->public_static());
        found != by_key_.end()) {
      leave_out(slots_[found->second].config.name, changes);
      remove_peer(found->second);
      ++changes.peers_removed;
    }
  }
  auto promise = make_response_promise<changes_promise>();
  publish([promise, changes]() mutable { promise.deliver(changes); });
  return promise;
}

void registry::forget_sources() {
  for (const auto& entry : slots_) {
    if (entry.actor)
      send(entry.actor, source_lost{});
  }
}

} // namespace weft
