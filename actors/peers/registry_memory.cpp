// What outlives the process: peers begin with what an earlier one knew of them,
// and what is learnt goes to the keeper.
#include "actors/peers/registry.hpp"
#include "config/difference.hpp"
#include "protocol/base/wireguard.hpp"

namespace weft {

namespace {

std::string configured_endpoint(const peer_config& peer) {
  return peer.endpoint ? to_string(*peer.endpoint) : std::string{};
}

} // namespace

/// What a new peer's first session goes on with, once.
session_ended registry::recall(slot_number slot) {
  session_ended last;
  auto& [self, last_stamp, peers] = neighbours_.remembered;
  if (!us_.self || us_.self->public_static() != self)
    return last;
  last.memory.last_stamp = last_stamp;
  const auto& config = directory_.at(slot).config;
  const auto found = peers.find(config.public_key);
  if (found == peers.end())
    return last;
  const auto& known = found->second;
  last.memory.newest_initiation = known.newest_initiation;
  // One that was configured since then is where it is now.
  if (known.configured == configured_endpoint(config))
    last.memory.remote = last.memory.proven = known.endpoint;
  last.memory.session_lost
    = known.had_session
      && loop().moment().wall - known.noted < limits::reject_after_time;
  peers.erase(found);
  return last;
}

void registry::note(const session_noted& noted) {
  const auto who = caf::actor_cast<caf::actor_addr>(current_sender());
  const auto live = by_address_.find(who);
  if (live == by_address_.end())
    return;
  seats_[live->second].heard_at = noted.memory.remote;
  if (!neighbours_.keeper || !us_.self)
    return;
  const auto& config = directory_.at(live->second).config;
  send(neighbours_.keeper,
       peer_noted{us_.self->public_static(), config.public_key,
                  configured_endpoint(config), noted.memory});
}

caf::result<config_changes> registry::reset(const public_key& peer) {
  const auto slot = directory_.slot_of(peer);
  if (!slot)
    return no_such_peer(peer);
  const auto& known = directory_.at(*slot);
  auto config = known.config;
  config.allowed_ips = known.stated_allowed_ips();
  neighbours_.remembered.peers.erase(peer);
  device_update update;
  update.origin = known.origin;
  auto& removal = update.peers.emplace_back();
  removal.public_key = peer;
  removal.verb = peer_verb::remove;
  update.peers.push_back(replacement_of(config));
  update.peers.back().other_preshared_keys = known.other_preshared_keys;
  return apply(update);
}

} // namespace weft
