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

std::string host_text(const endpoint_config& where) {
  if (const auto* host = std::get_if<host_endpoint>(&where))
    return host->host + ':' + std::to_string(host->port);
  return {};
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
    [this](const change_identity& changed) { set_identity(changed); },
    [this](const endpoint_resolved& resolved) { set_resolved(resolved); },
    [this](const endpoint_not_found& failure) { lookup_failed(failure); },
    [this](const lookup_due& due) { resolve_again(due); },
    [this](const restart_peer& request) { start_again(request); },
    [this](const source_lost& lost) { tell_peers(lost); },
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

caf::result<void> registry::apply(const device_update& update) {
  if (!has_room_for(update))
    return make_error(ENOSPC,
                      "too many peers: a device has room for "
                        + std::to_string(receiver_index_codec::max_slots));
  if (update.replace_peers)
    remove_all_peers();
  for (const auto& peer : update.peers)
    apply_peer(peer);
  publish();
  return caf::unit;
}

void registry::apply_peer(const peer_update& update) {
  const auto found = by_key_.find(update.public_key);
  if (found == by_key_.end()) {
    if (update.remove || update.update_only)
      return;
    if (us_.self && us_.self->public_static() == update.public_key)
      return; // nobody is a peer of itself
    change_allowed_ips(add_peer(update), update);
    return;
  }
  const auto slot = found->second;
  if (update.remove) {
    remove_peer(slot);
    return;
  }
  change_existing(slot, update);
  change_allowed_ips(slot, update);
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
  auto& settings = slots_[slot].settings;
  settings = {};
  settings.name = update.name.value_or("");
  settings.public_key = update.public_key;
  settings.preshared_key = update.preshared_key.value_or(preshared_key{});
  settings.persistent_keepalive
    = update.persistent_keepalive.value_or(std::chrono::seconds{0});
  if (update.endpoint) {
    settings.endpoint_host = host_text(*update.endpoint);
    if (const auto* address = std::get_if<endpoint>(&*update.endpoint))
      settings.endpoint = *address;
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
  entry.actor
    = system().spawn<peer>(place.loop, place.space,
                           peer_neighbours{neighbours_.socket, place.timer},
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

void registry::change_existing(std::uint32_t slot, const peer_update& update) {
  auto& entry = slots_[slot];
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
    settings.endpoint_host = host_text(*update.endpoint);
    changes.endpoint_host = settings.endpoint_host;
    if (const auto* address = std::get_if<endpoint>(&*update.endpoint)) {
      settings.endpoint = *address;
      changes.endpoint = *address;
    }
    announce(entry);
    resolve(slot, *update.endpoint);
  }
  send(entry.actor, std::move(changes));
}

void registry::change_allowed_ips(std::uint32_t slot,
                                  const peer_update& update) {
  auto& allowed = slots_[slot].allowed;
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
      if (const auto former = prefixes_.insert(prefix, slot))
        slots_[*former].allowed.erase(prefix);
      allowed.insert(prefix);
    }
  }
}

void registry::remove_peer(std::uint32_t slot) {
  auto& entry = slots_[slot];
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

// -- host names --------------------------------------------------------------

void registry::resolve(std::uint32_t slot, const endpoint_config& where) {
  if (const auto* host = std::get_if<host_endpoint>(&where))
    send(neighbours_.resolver,
         resolve_endpoint{slots_[slot].settings.public_key, *host,
                          caf::actor_cast<registry_actor>(this)});
}

registry::slot_entry*
registry::entry_wanting(const public_key& key, const host_endpoint& host) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end())
    return nullptr;
  auto& entry = slots_[found->second];
  return entry.settings.endpoint_host == host_text(host) ? &entry : nullptr;
}

void registry::lookup_failed(const endpoint_not_found& failure) {
  const auto& host = failure.host;
  if (entry_wanting(failure.peer, host) == nullptr)
    return;
  const auto delay = failure.retry_after;
  log_->warn("endpoint {}:{} not found ({}); trying again in {} s", host.host,
             host.port, failure.reason, delay.count());
  delayed_send(caf::actor_cast<registry_actor>(this), delay,
               lookup_due{failure.peer, host,
                          std::min<std::chrono::seconds>(delay * 2, 60s)});
}

void registry::resolve_again(const lookup_due& due) {
  if (entry_wanting(due.peer, due.host) != nullptr)
    send(neighbours_.resolver,
         resolve_endpoint{due.peer, due.host,
                          caf::actor_cast<registry_actor>(this),
                          due.retry_after});
}

void registry::set_resolved(const endpoint_resolved& resolved) {
  auto* wanting = entry_wanting(resolved.peer, resolved.host);
  if (wanting == nullptr)
    return; // it was removed, or given another endpoint
  auto& entry = *wanting;
  entry.settings.endpoint = resolved.found;
  change_peer changes;
  changes.endpoint = resolved.found;
  send(entry.actor, std::move(changes));
  announce(entry);
  publish();
}

// -- reports -----------------------------------------------------------------

caf::result<registry_report> registry::report(const report_request& request) {
  struct collection {
    registry_report report;
    std::size_t missing = 0;
  };
  auto promise
    = make_response_promise<caf::typed_response_promise<registry_report>>();
  auto all = std::make_shared<collection>();
  std::vector<std::uint32_t> used;
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].actor)
      used.push_back(slot);
  }
  all->report.peers.resize(used.size());
  all->missing = used.size();
  if (used.empty()) {
    promise.deliver(std::move(all->report));
    return promise;
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto slot = used[i];
    auto& status = all->report.peers[i];
    // What is known without the peer, in case it fails just now.
    status.public_key = slots_[slot].settings.public_key;
    status.allowed_ips.assign(slots_[slot].allowed.begin(),
                              slots_[slot].allowed.end());
    status.restarts = slots_[slot].restarts;
    auto deliver = [all, promise]() mutable {
      if (--all->missing == 0)
        promise.deliver(std::move(all->report));
    };
    this->request(slots_[slot].actor, caf::infinite, request)
      .then(
        [all, i, deliver](peer_report& report) mutable {
          auto& place = all->report.peers[i];
          report.status.allowed_ips = std::move(place.allowed_ips);
          report.status.restarts = place.restarts;
          place = std::move(report.status);
          all->report.drops.add(report.drops);
          deliver();
        },
        [deliver](const caf::error&) mutable { deliver(); });
  }
  return promise;
}

} // namespace weft
