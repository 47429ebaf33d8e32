// Another process takes the place of this one: peers stand still and say what
// they leave, or begin with what an earlier process left of them.
#include "actors/loop/heap_preparer.hpp"
#include "actors/peers/registry.hpp"
#include "config/difference.hpp"
#include "config/saved_node.hpp"
#include "messages/errors.hpp"
#include "platform/memory.hpp"

#include <cerrno>
#include <string>

namespace weft {

namespace {

/// What is saved takes so much until it is with the successor: of a peer the
/// values, of which a part is there twice while they are gathered, and the
/// bytes.
constexpr std::size_t memory_of_peer = std::size_t{8} << 10;
constexpr std::size_t memory_of_rest = std::size_t{16} << 20;
/// Of these, what the peer's loop allocates.
constexpr std::size_t memory_of_session = std::size_t{2} << 10;

} // namespace

caf::result<frozen_peers> registry::stand_still() {
  const auto needed = memory_of_rest + seats_.size() * memory_of_peer;
  if (!may_have_memory(needed))
    return make_error(ENOMEM,
                      "it needs about " + std::to_string(needed >> 20)
                        + " MiB of memory more, which a limit keeps it from "
                          "(ulimit -v, LimitAS= of the unit)");
  frozen_ = true;
  auto promise
    = make_response_promise<caf::typed_response_promise<frozen_peers>>();
  const auto left = std::make_shared<saved_node>();
  left->generations = directory_.generations();
  left->peers.reserve(seats_.size());
  left->deprived = {directory_.deprived().begin(), directory_.deprived().end()};
  for (slot_number slot = 0; slot < directory_.slots(); ++slot) {
    const auto* known = directory_.find(slot);
    if (known == nullptr)
      continue;
    auto& peer = left->peers.emplace_back();
    peer.slot = slot;
    peer.origin = known->origin;
    peer.config = known->config;
    peer.config.allowed_ips = known->stated_allowed_ips();
    peer.other_preshared_keys = known->other_preshared_keys;
    peer.address = known->address;
    peer.restarts = seats_[slot].restarts;
  }
  const auto heap = std::make_shared<prepared_heap>();
  if (!left->peers.empty())
    system().spawn<heap_preparer>(lanes_.front().loop,
                                  left->peers.size() * memory_of_session, heap);
  const auto missing = std::make_shared<std::size_t>(left->peers.size());
  if (left->peers.empty())
    promise.deliver(frozen_peers{left});
  for (std::size_t number = 0; number < left->peers.size(); ++number) {
    const auto slot = left->peers[number].slot;
    auto answered = [left, heap, missing, promise]() mutable {
      if (--*missing == 0)
        promise.deliver(frozen_peers{left});
    };
    request(seats_[slot].actor, caf::infinite, freeze_peer{})
      .then(
        [left, number, answered](frozen_peer& peer) mutable {
          left->peers[number].session = std::move(*peer.saved);
          answered();
        },
        [this, left, number, slot, answered](const caf::error&) mutable {
          left->peers[number].lost = seats_[slot].last.memory;
          answered();
        });
  }
  return promise;
}

caf::result<void> registry::wipe_keys() {
  directory_.forget_keys();
  us_ = {};
  published_.speaker = {};
  auto promise = make_response_promise();
  const auto missing = std::make_shared<std::size_t>(1); // the gate
  auto answered = [missing, promise]() mutable {
    if (--*missing == 0)
      promise.deliver(caf::unit_t{});
  };
  auto failed
    = [answered](const caf::error&) mutable { answered(); }; // it has ended
  for (const auto& seat : seats_) {
    if (!seat.actor)
      continue;
    ++*missing;
    request(seat.actor, caf::infinite, forget_keys{}).then(answered, failed);
  }
  request(neighbours_.gate, caf::infinite, change_identity{})
    .then(answered, failed);
  return promise;
}

caf::result<config_changes> registry::inherit(const inherit_peers& asked) {
  if (!directory_.is_empty() || changing_)
    return make_error(EBUSY, "there are peers already");
  const auto& from = *asked.from;
  directory_.restore(from.generations, from.deprived);
  seats_.resize(directory_.slots());
  by_address_.reserve(from.peers.size());
  config_changes changes;
  for (const auto& peer : from.peers) {
    auto whole = replacement_of(peer.config);
    whole.other_preshared_keys = peer.other_preshared_keys;
    const auto slot = directory_.add_at(peer.slot, whole, peer.origin);
    if (peer.address)
      directory_.set_address(slot, *peer.address);
    auto& seat = seats_[slot];
    seat.restarts = peer.restarts;
    if (peer.lost)
      seat.last.memory = *peer.lost;
    else
      seat.last.memory.generation = directory_.generation(slot);
    std::shared_ptr<const saved_session> session;
    if (peer.session) {
      session = {asked.from, &*peer.session};
      if (const auto& path = session->session.values.path)
        seat.heard_at = path->remote;
    }
    spawn_peer(slot, std::move(session));
    if (!peer.address)
      resolve(slot);
    std::ignore = directory_.change_allowed_ips(slot, whole);
    ++changes.peers_added;
  }
  for (const auto& peer : from.peers)
    show_names(peer.config.name);
  auto promise = make_response_promise<changes_promise>();
  publish([this, promise, changes]() mutable {
    promise.deliver(changes);
    check_ways(); // each is a question to the host
  });
  return promise;
}

} // namespace weft
