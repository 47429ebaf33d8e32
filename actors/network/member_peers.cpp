#include "actors/network/member_peers.hpp"

namespace weft {

// -- how they are ------------------------------------------------------------

/// Whether it is to be given an endpoint is counted, so that the question costs
/// nothing while none is.
void member_peers::count(one& peer) {
  const bool elsewhere
    = !peer.candidates.empty()
      && (peer.candidates.size() > 1 || !peer.is_at_its_turn());
  const bool due = !peer.up && !peer.candidates.empty()
                   && (peer.moved || (peer.failing && elsewhere));
  if (due == peer.due)
    return;
  peer.due = due;
  due ? ++due_ : --due_;
}

void member_peers::is_up(const public_key& peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.up = true;
  found->second.failing = false;
  found->second.given.reset();
  count(found->second);
}

void member_peers::is_down(const public_key& peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.up = false;
  found->second.failing = false;
  count(found->second);
}

void member_peers::fails(const public_key& peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.up = false;
  found->second.failing = true;
  count(found->second);
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

void member_peers::give(one& peer, patch<peer_config>& change) {
  peer.given = peer.candidates[peer.at];
  peer.moved = false;
  change.set(&peer_config::endpoint, endpoint_config{*peer.given});
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
  auto candidates = order_candidates(peer.endpoints, own_);
  if (candidates != known.candidates || is_new) {
    known.candidates = std::move(candidates);
    known.at = 0;
    // A session that works stays where it is.
    known.moved = known.up;
    if (!known.up && !known.candidates.empty())
      give(known, change);
    count(known);
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
        due_ -= found->second.due ? 1U : 0U;
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
    if (!peer.due)
      continue;
    if (!peer.moved && peer.is_at_its_turn())
      peer.at = (peer.at + 1) % peer.candidates.size();
    auto& change = made.emplace_back();
    change.public_key = key;
    change.verb = peer_verb::update;
    give(peer, change);
    count(peer);
  }
  return made;
}

} // namespace weft
