#include "actors/network/member_peers.hpp"

#include "actors/network/candidates.hpp"

namespace weft {

// -- how they are ------------------------------------------------------------

void member_peers::set_failing(one& peer, bool fails) {
  fails = fails && peer.candidates.size() > 1;
  if (peer.failing == fails)
    return;
  peer.failing = fails;
  fails ? ++failing_ : --failing_;
}

void member_peers::is_up(const public_key& peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.up = true;
  set_failing(found->second, false);
}

void member_peers::is_down(const public_key& peer) {
  if (const auto found = peers_.find(peer); found != peers_.end())
    found->second.up = false;
}

void member_peers::fails(const public_key& peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.up = false;
  set_failing(found->second, true);
}

// -- what the overlay is told ------------------------------------------------

/// The responder uses the epoch that the initiator's record names, so the key
/// of the peer's own epoch comes first; whose answer is under another one, that
/// is among the others.
void member_peers::set_keys(patch<peer_config>& change, std::uint64_t epoch,
                            const preshared_epochs& epochs) const {
  preshared_key first;
  std::vector<preshared_key> others;
  if (auto named
      = epochs.key_of(epoch, network_, own_key_, change.public_key)) {
    first = std::move(*named);
  } else {
    epoch = epochs.newest();
    first = epochs.key_of(epoch, network_, own_key_, change.public_key)
              .value_or(preshared_key{});
  }
  for (const auto each : epochs.to_try())
    if (each != epoch)
      others.push_back(
        *epochs.key_of(each, network_, own_key_, change.public_key));
  change.set(&peer_config::preshared_key, std::move(first));
  change.other_preshared_keys = std::move(others);
}

patch<peer_config> member_peers::make(const network_peer& peer, bool is_new,
                                      const preshared_epochs& epochs) {
  patch<peer_config> change;
  change.public_key = peer.key;
  change.verb = is_new ? peer_verb::put : peer_verb::update;
  change.set(&peer_config::name, peer.name);
  if (is_new) {
    change.replace_allowed_ips = true;
    for (const auto& prefix : peer.prefixes)
      change.allowed_ips.push_back({prefix, false});
  }
  auto& known = peers_[peer.key];
  if (up_before_.erase(peer.key) != 0)
    known.up = true;
  known.epoch = peer.epoch;
  set_keys(change, peer.epoch, epochs);
  auto candidates = order_candidates(peer.endpoints, links_);
  if (candidates != known.candidates || is_new) {
    const bool fails = known.failing;
    set_failing(known, false);
    known.candidates = std::move(candidates);
    known.at = 0;
    set_failing(known, fails);
    // A session that works stays where it is.
    if (!known.up && !known.candidates.empty())
      change.set(&peer_config::endpoint,
                 endpoint_config{known.candidates.front()});
  }
  return change;
}

member_peers::patches member_peers::follow(std::span<const peer_change> changes,
                                           const preshared_epochs& epochs) {
  patches made;
  made.reserve(changes.size());
  for (const auto& each : changes) {
    if (const auto* added = std::get_if<peer_added>(&each)) {
      made.push_back(make(added->peer, true, epochs));
    } else if (const auto* changed = std::get_if<peer_changed>(&each)) {
      made.push_back(make(changed->peer, false, epochs));
    } else {
      const auto& key = std::get<peer_removed>(each).key;
      auto& change = made.emplace_back();
      change.public_key = key;
      change.verb = peer_verb::remove;
      if (const auto found = peers_.find(key); found != peers_.end()) {
        set_failing(found->second, false);
        peers_.erase(found);
      }
    }
  }
  return made;
}

member_peers::patches
member_peers::rekey(const preshared_epochs& epochs) const {
  patches made;
  made.reserve(peers_.size());
  for (const auto& [key, peer] : peers_) {
    auto& change = made.emplace_back();
    change.public_key = key;
    change.verb = peer_verb::update;
    set_keys(change, peer.epoch, epochs);
  }
  return made;
}

member_peers::patches member_peers::try_next() {
  patches made;
  for (auto& [key, peer] : peers_) {
    if (!peer.failing)
      continue;
    peer.at = (peer.at + 1) % peer.candidates.size();
    auto& change = made.emplace_back();
    change.public_key = key;
    change.verb = peer_verb::update;
    change.set(&peer_config::endpoint,
               endpoint_config{peer.candidates[peer.at]});
  }
  return made;
}

} // namespace weft
