// Another process takes the place of this one: peers stand still and say what
// they leave, or begin with what an earlier process left of them.
#include "actors/loop/heap_preparer.hpp"
#include "actors/peers/registry.hpp"
#include "config/difference.hpp"
#include "config/saved_node.hpp"
#include "messages/errors.hpp"
#include "platform/memory.hpp"

#include <cerrno>
#include <new>
#include <string>
#include <utility>

namespace weft {

namespace {

/// What is saved takes so much until it is with the successor: of a peer the
/// values, of which a part is there twice while they are gathered, and the
/// bytes.
constexpr std::size_t memory_of_peer = std::size_t{8} << 10;
constexpr std::size_t memory_of_rest = std::size_t{16} << 20;
/// Of these, what the peer's loop allocates for a session with one pair of
/// keys.
constexpr std::size_t memory_of_session = 2400;
/// And what the registry's does.
constexpr std::size_t memory_of_configuration = 512;

/// Of a deleter, which must not throw.  Who is told nothing waits for a while.
template <class Message>
void tell_if_possible(const registry_actor& whom, Message message) noexcept {
  try {
    caf::anon_send(whom, std::move(message));
  } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch)
  }
}

} // namespace

std::shared_ptr<saved_node> registry::list_peers() const {
  auto left = std::make_shared<saved_node>();
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
  return left;
}

caf::result<void> registry::prepare_to_stand_still() {
  const auto peers = seats_.size();
  const auto needed = memory_of_rest + peers * memory_of_peer;
  if (!may_have_memory(needed))
    return make_error(ENOMEM,
                      "it needs about " + std::to_string(needed >> 20)
                        + " MiB of memory more, which a limit keeps it from "
                          "(ulimit -v, LimitAS= of the unit)");
  const auto own
    = std::make_shared<prepared_heap>(peers * memory_of_configuration);
  own->back_with_memory();
  heaps_ = {own};
  auto promise = make_response_promise();
  const heap_preparer_actor preparer
    = system().spawn<heap_preparer>(lanes_.front().loop);
  request(preparer, caf::infinite, set_heap_aside{peers * memory_of_session})
    .then(
      [this, promise,
       own = std::weak_ptr{own}](const prepared_heap_ptr& heap) mutable {
        if (own.expired())
          return;                 // it was called off
        heap->back_with_memory(); // here, as that loop carries packets
        heaps_.push_back(heap);
        promise.deliver(caf::unit_t{});
      },
      [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
  return promise;
}

caf::result<frozen_peers> registry::stand_still() {
  frozen_ = true;
  freezing_
    = make_response_promise<caf::typed_response_promise<frozen_peers>>();
  const auto left = list_peers();
  leaving_ = left;
  // Each writes where it lives: to be asked and answered one by one cost more
  // than all that they write.
  const auto me = caf::actor_cast<registry_actor>(this);
  const std::shared_ptr<saved_node> held{
    left.get(),
    [left, me](saved_node*) { tell_if_possible(me, peers_stand_still{left}); }};
  for (std::size_t number = 0; number < left->peers.size(); ++number)
    send(seats_[left->peers[number].slot].actor, freeze_peer{held, number});
  return freezing_;
}

void registry::all_stand_still(const std::shared_ptr<saved_node>& left) {
  if (leaving_.lock() != left)
    return; // that was called off, and they may have gone on since
  leaving_.reset();
  heaps_.clear();
  for (auto& peer : left->peers)
    if (!peer.session)
      peer.lost = seats_[peer.slot].last.memory;
  freezing_.deliver(frozen_peers{left});
}

caf::result<void> registry::wipe_keys() {
  if (forgetting_.pending())
    return make_error(EBUSY, "keys are being wiped already");
  directory_.forget_keys();
  us_ = {};
  published_.speaker = {};
  forgetting_ = make_response_promise();
  const std::shared_ptr<const void> held{
    nullptr, [me = caf::actor_cast<registry_actor>(this)](const void*) {
      tell_if_possible(me, keys_forgotten{});
    }};
  for (const auto& seat : seats_)
    if (seat.actor)
      send(seat.actor, forget_keys{held});
  const auto let_go = [held] {}; // if it has ended, too
  request(neighbours_.gate, caf::infinite, change_identity{})
    .then(let_go, [let_go](const caf::error&) { let_go(); });
  return forgetting_;
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
