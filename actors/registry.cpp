#include "actors/registry.hpp"

#include "messages/errors.hpp"
#include "platform/clock.hpp"
#include "protocol/random.hpp"

#include <algorithm>
#include <cerrno>
#include <unordered_set>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// A peer that fails again within this time is started again only then.
constexpr auto min_life = 1s;

std::string label_of(const peer_settings& settings) {
  return settings.name.empty() ? to_string(settings.public_key) : settings.name;
}

/// Nothing for a host name.
std::optional<endpoint> numeric_of(const endpoint_config& where) {
  const auto* numeric = std::get_if<endpoint>(&where);
  if (numeric == nullptr)
    return std::nullopt;
  return endpoint{numeric->address.unmapped(), numeric->port,
                  numeric->scope_id};
}

caf::error name_is_taken(const std::string& name) {
  return make_error(EEXIST,
                    "peer.name: another peer is called '" + name
                      + "'; choose another name",
                    "peer.name");
}

} // namespace

registry::registry(caf::actor_config& config, io_loop_ptr loop,
                   std::vector<packet_loop> placements,
                   registry_neighbours neighbours,
                   std::shared_ptr<const receiver_index_codec> indices,
                   change_identity us, std::shared_ptr<spdlog::logger> log)
  : hosted(config, std::move(loop)), placements_(std::move(placements)),
    neighbours_(std::move(neighbours)), indices_(std::move(indices)),
    us_(std::move(us)), log_(std::move(log)) {
  set_down_handler([this](const caf::down_msg& down) { peer_ended(down); });
}

registry::behavior_type registry::make_behavior() {
  return {
    [this](const device_update& update) { return apply(update); },
    [this](const change_existing_peer& asked) { return change_peer_of(asked); },
    [this](const change_identity& changed) { set_identity(changed); },
    [this](const endpoint_resolved& resolved) { set_resolved(resolved); },
    [this](const endpoint_not_found& failure) { lookup_failed(failure); },
    [this](const endpoint_unanswered& unanswered) {
      try_another_address(unanswered);
    },
    [this](const lookup_due& due) { resolve_again(due); },
    [this](const restart_peer& request) { start_again(request); },
    [this](const source_lost& lost) { tell_peers(lost); },
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
  table_ = {};
  neighbours_ = {};
  for (const auto& place : placements_)
    place.loop->stop();
  placements_.clear();
  us_ = {};
}

const packet_loop& registry::placement_of(std::uint32_t slot) const {
  return placements_[slot % placements_.size()];
}

// -- changes -----------------------------------------------------------------

bool registry::has_room_for(const device_update& update) const {
  if (by_key_.size() + update.peers.size() <= receiver_index_codec::max_slots)
    return true;
  std::unordered_set<public_key> added;
  for (const auto& peer : update.peers) {
    if (!peer.remove
        && (update.replace_peers || !by_key_.contains(peer.public_key)))
      added.insert(peer.public_key);
  }
  const auto kept = update.replace_peers ? 0 : by_key_.size();
  return kept + added.size() <= receiver_index_codec::max_slots;
}

caf::result<config_changes> registry::apply(const device_update& update) {
  if (!has_room_for(update))
    return make_error(ENOSPC,
                      "too many peers: a device has room for "
                        + std::to_string(receiver_index_codec::max_slots),
                      "peers");
  if (const auto name = doubled_name(update))
    return name_is_taken(*name);
  config_changes changes;
  if (update.replace_peers) {
    changes.peers_removed = static_cast<std::uint32_t>(by_key_.size());
    remove_all_peers();
  }
  for (const auto& peer : update.peers)
    apply_peer(peer, changes);
  publish();
  return changes;
}

std::optional<std::string>
registry::doubled_name(const device_update& update) const {
  std::unordered_map<public_key, bool> keeps_name; // of those in the update
  std::unordered_set<std::string> names;
  for (const auto& peer : update.peers) {
    keeps_name[peer.public_key] = !peer.remove && !peer.name;
    if (!peer.remove && peer.name && !peer.name->empty()
        && !names.insert(*peer.name).second)
      return *peer.name;
  }
  if (names.empty() || update.replace_peers)
    return std::nullopt;
  for (const auto& [key, slot] : by_key_) {
    const auto named = keeps_name.find(key);
    const auto& name = slots_[slot].settings.name;
    if ((named == keeps_name.end() || named->second) && names.contains(name))
      return name;
  }
  return std::nullopt;
}

caf::result<config_changes>
registry::change_peer_of(const change_existing_peer& asked) {
  const auto& update = asked.update;
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
  apply_peer(update, changes);
  publish();
  return changes;
}

void registry::apply_peer(const peer_update& update, config_changes& changes) {
  const auto found = by_key_.find(update.public_key);
  if (found == by_key_.end()) {
    if (update.remove || update.update_only)
      return;
    if (us_.self && us_.self->public_static() == update.public_key)
      return; // nobody is a peer of itself
    const auto slot = add_peer(update);
    change_allowed_ips(slot, update, changes);
    ++changes.peers_added;
    tell_event(event_kind::peer_added, slots_[slot]);
    return;
  }
  const auto slot = found->second;
  if (update.remove) {
    remove_peer(slot);
    ++changes.peers_removed;
    return;
  }
  const auto settings_changed = change_existing(slot, update);
  if (change_allowed_ips(slot, update, changes) || settings_changed)
    ++changes.peers_changed;
}

void registry::tell_event(event_kind kind, const slot_entry& entry,
                          std::string reason) {
  overlay_event event;
  event.kind = kind;
  event.peer = entry.settings.public_key;
  event.peer_name = entry.settings.name;
  event.endpoint = entry.settings.endpoint;
  event.reason = std::move(reason);
  send(neighbours_.events, std::move(event));
}

std::uint32_t registry::add_peer(const peer_update& update) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot].memory = std::make_shared<peer_memory>();
  // Not the indices of the slot's former peer again.
  slots_[slot].memory->generation = system_random().next_u32();
  slots_[slot].configured_endpoint = update.endpoint;
  auto& settings = slots_[slot].settings;
  settings = {};
  settings.name = update.name.value_or("");
  settings.public_key = update.public_key;
  settings.preshared_key = update.preshared_key.value_or(preshared_key{});
  settings.persistent_keepalive
    = update.persistent_keepalive.value_or(std::chrono::seconds{0});
  if (update.endpoint) {
    settings.endpoint_host = host_text(*update.endpoint);
    settings.endpoint = numeric_of(*update.endpoint);
  }
  by_key_[update.public_key] = slot;
  spawn_peer(slot);
  if (update.endpoint)
    resolve(slot, *update.endpoint);
  return slot;
}

void registry::spawn_peer(std::uint32_t slot) {
  auto& entry = slots_[slot];
  const auto& place = placement_of(slot);
  entry.actor = system().spawn<peer>(
    place.loop, place.space,
    peer_neighbours{neighbours_.socket, place.timer,
                    caf::actor_cast<registry_actor>(this), neighbours_.events},
    us_.speaker(), slot, entry.memory, entry.settings);
  entry.started = boot_now();
  monitor(entry.actor);
  by_address_[entry.actor.address()] = slot;
  table_.set(slot, entry.actor);
  announce(entry);
}

void registry::announce(const slot_entry& entry) {
  new_entries_.entries.push_back(
    {entry.settings.public_key, entry.actor, entry.settings.endpoint});
}

bool registry::change_existing(std::uint32_t slot, const peer_update& update) {
  auto& entry = slots_[slot];
  const auto former = entry.settings;
  const auto former_endpoint = entry.configured_endpoint;
  change_peer changes;
  changes.name = update.name;
  changes.preshared_key = update.preshared_key;
  changes.persistent_keepalive = update.persistent_keepalive;
  auto& settings = entry.settings;
  settings.name = update.name.value_or(settings.name);
  settings.preshared_key
    = update.preshared_key.value_or(settings.preshared_key);
  settings.persistent_keepalive
    = update.persistent_keepalive.value_or(settings.persistent_keepalive);
  if (update.endpoint) {
    entry.configured_endpoint = update.endpoint;
    settings.endpoint_host = host_text(*update.endpoint);
    changes.endpoint_host = settings.endpoint_host;
    if ((changes.endpoint = numeric_of(*update.endpoint)))
      settings.endpoint = changes.endpoint;
    announce(entry);
    resolve(slot, *update.endpoint);
  }
  send(entry.actor, std::move(changes));
  return settings.name != former.name
         || settings.preshared_key != former.preshared_key
         || settings.persistent_keepalive != former.persistent_keepalive
         || entry.configured_endpoint != former_endpoint;
}

bool registry::change_allowed_ips(std::uint32_t slot, const peer_update& update,
                                  config_changes& changes) {
  constexpr std::size_t most_notes = 16;
  auto& allowed = slots_[slot].allowed;
  const auto before = allowed;
  if (update.replace_allowed_ips) {
    for (const auto& prefix : allowed)
      prefixes_.erase(prefix, slot);
    allowed.clear();
  }
  for (const auto& change : update.allowed_ips) {
    const auto prefix = change.prefix.network();
    if (change.remove) {
      if (prefixes_.erase(prefix, slot))
        allowed.erase(prefix);
    } else if (prefixes_.find(prefix) != slot) {
      if (const auto former = prefixes_.insert(prefix, slot)) {
        auto& loser = slots_[*former];
        loser.allowed.erase(prefix);
        if (changes.notes.size() < most_notes)
          changes.notes.push_back(to_string(prefix) + " moved from "
                                  + label_of(loser.settings));
      }
      allowed.insert(prefix);
    }
  }
  return allowed != before;
}

void registry::remove_peer(std::uint32_t slot) {
  auto& entry = slots_[slot];
  tell_event(event_kind::peer_removed, entry);
  for (const auto& prefix : entry.allowed)
    prefixes_.erase(prefix, slot);
  entry.allowed.clear();
  entry.restarts = 0;
  by_key_.erase(entry.settings.public_key);
  by_address_.erase(entry.actor.address());
  new_entries_.entries.push_back({entry.settings.public_key, {}, {}});
  demonitor(entry.actor.address());
  send_exit(entry.actor, caf::exit_reason::user_shutdown);
  entry.actor = nullptr;
  entry.settings = {};
  entry.configured_endpoint.reset();
  table_.set(slot, {});
  free_slots_.push_back(slot);
}

void registry::remove_all_peers() {
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].actor)
      remove_peer(slot);
  }
}

void registry::peer_ended(const caf::down_msg& down) {
  const auto found = by_address_.find(down.source);
  if (found == by_address_.end())
    return;
  const auto slot = found->second;
  by_address_.erase(found);
  auto& entry = slots_[slot];
  ++entry.restarts;
  log_->error("peer {} failed ({}) and is started again with a new session",
              to_string(entry.settings.public_key), error_message(down.reason));
  tell_event(event_kind::peer_restarted, entry, error_message(down.reason));
  const restart_peer request{slot, entry.settings.public_key};
  if (boot_now() - entry.started >= min_life)
    start_again(request);
  else
    delayed_send(caf::actor_cast<registry_actor>(this), min_life, request);
}

void registry::start_again(const restart_peer& request) {
  // It may have been removed meanwhile, or its slot given to another peer.
  const auto found = by_key_.find(request.key);
  if (found == by_key_.end() || found->second != request.slot
      || by_address_.contains(slots_[request.slot].actor.address()))
    return;
  spawn_peer(request.slot);
  publish();
}

void registry::set_identity(const change_identity& changed) {
  us_ = changed;
  if (us_.self) {
    // A peer with our own key disappears.
    if (const auto found = by_key_.find(us_.self->public_static());
        found != by_key_.end()) {
      remove_peer(found->second);
      publish();
    }
  }
  tell_peers(changed);
  send(neighbours_.gate, changed);
}

template <class Message>
void registry::tell_peers(const Message& message) {
  for (auto& entry : slots_) {
    if (entry.actor)
      send(entry.actor, message);
  }
}

void registry::publish() {
  const auto fresh = std::exchange(new_entries_, {});
  send(neighbours_.gate, fresh);
  const auto snapshot
    = std::make_shared<const routes>(prefixes_, table_, indices_);
  send(neighbours_.reader, routes_changed{snapshot});
  send(neighbours_.socket, routes_changed{snapshot});
  send(neighbours_.gate, routes_changed{snapshot});
  // Now that they are known everywhere, new peers may speak.
  for (const auto& entry : fresh.entries) {
    if (entry.actor)
      send(entry.actor, peer_published{});
  }
}

} // namespace weft
