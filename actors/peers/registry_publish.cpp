// How a change comes into force, step by step:
//  1. readers, sockets and gate take the new snapshot over, peers what changed
//     of them, and peers that were removed end;
//  2. what the former snapshot has sent to peers that lost prefixes lies before
//     this question in their mailboxes, so their answer says that it is dealt
//     with; and peers learn whom we speak as, once the gate listens as that;
//  3. sockets and writers have sent and written what all these gave them.
// Only then is the change answered.  Each step ends when all have answered, or
// are gone.  Whoever asked for the change is not kept waiting for ever, but its
// steps go on however late they are: nobody stays with what was before.  A late
// step says what was published last, for a later change may have come first.
#include "actors/peers/registry.hpp"
#include "messages/errors.hpp"
#include "platform/memory.hpp"

#include <algorithm>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// Whoever asked for a change is answered after this long in any case.
constexpr auto most_waiting = std::chrono::seconds{5};

/// So many peers that leave at once are worth a look for free memory.
constexpr std::size_t many_peers = 1000;

} // namespace

const registry::publication_ptr& registry::gathering() {
  if (!gathering_)
    gathering_ = std::make_shared<publication>();
  return gathering_;
}

template <class Handle, class Message>
void registry::demand(const publication_ptr& change, const Handle& from,
                      Message message) {
  ++change->missing;
  request(from, caf::infinite, std::move(message))
    .then([this, change] { acknowledged(change); },
          [this, change](const caf::error&) { acknowledged(change); });
}

void registry::tell(const peer_actor& peer, patch<peer_config> changes) {
  gathering()->was_busy = true;
  demand(gathering(), peer, std::move(changes));
}

void registry::tell_speaker(const publication_ptr& change) {
  for (const auto& seat : seats_) {
    if (seat.actor)
      demand(change, seat.actor, published_.speaker);
  }
}

void registry::publish(std::function<void()> in_force) {
  auto& answers = gathering()->in_force;
  if (in_force)
    answers.push_back(std::move(in_force));
  if (changing_)
    return; // the change that is being made publishes all of it
  const auto change = std::exchange(gathering_, nullptr);
  change->began = loop().now();
  under_way_.push_back(change);
  const auto fresh = std::exchange(new_entries_, {});
  send(neighbours_.gate, fresh);
  if (change->speaker) {
    published_.speaker = us_;
    demand(change, neighbours_.gate, us_);
  }
  published_.snapshot
    = std::make_shared<const routes>(directory_.prefixes(), table_, indices_);
  for (const auto& each : lanes_) {
    for (const auto& reader : each.readers)
      demand(change, reader, routes_changed{published_.snapshot});
    demand(change, each.socket, routes_changed{published_.snapshot});
  }
  demand(change, neighbours_.gate, routes_changed{published_.snapshot});
  // Now that they are known everywhere, new peers may speak.
  for (const auto& entry : fresh.entries) {
    if (entry.actor)
      send(entry.actor, peer_published{});
  }
  acknowledged(change);
  await_answers();
}

void registry::acknowledged(const publication_ptr& change) {
  if (change->missing > 0 && --change->missing == 0)
    next_step(change);
}

void registry::next_step(const publication_ptr& change) {
  change->missing = 1; // until all of this step have been asked
  switch (change->step++) {
    case 0:
      for (const auto slot : change->losers) {
        if (slot < seats_.size() && seats_[slot].actor)
          demand(change, seats_[slot].actor,
                 prefixes_lost{published_.snapshot});
      }
      if (change->speaker && !change->peers_know_speaker)
        tell_speaker(change);
      break;
    case 1:
      for (const auto& each : lanes_) {
        if (!change->was_busy)
          break;
        demand(change, each.socket, finish_sending{});
        demand(change, each.writer, finish_writing{});
      }
      break;
    default:
      finish(change);
      return;
  }
  acknowledged(change);
}

void registry::finish(const publication_ptr& change) {
  change->missing = 0;
  answer_askers(change);
  if (directory_.is_empty() && ending_.empty() && !changing_) {
    directory_.shrink();
    std::vector<peer_seat>().swap(seats_);
    table_ = {};
  }
  if (change->removed >= many_peers)
    release_memory_aside();
}

void registry::answer_askers(const publication_ptr& change) {
  std::erase(under_way_, change);
  for (auto& tell_asker : std::exchange(change->in_force, {}))
    tell_asker();
}

void registry::await_answers() {
  if (overdue_check_ || under_way_.empty())
    return;
  overdue_check_ = call_at(under_way_.front()->began + most_waiting,
                           [this] { give_up_waiting(); });
}

void registry::give_up_waiting() {
  overdue_check_ = {};
  const auto now = loop().now();
  auto late = under_way_;
  std::erase_if(late, [&](const publication_ptr& change) {
    return now - change->began < most_waiting;
  });
  for (const auto& change : late) {
    log_->warn("a change is not yet in force everywhere after {} s: a part of "
               "this node is very busy",
               most_waiting.count());
    answer_askers(change);
  }
  await_answers();
}

} // namespace weft
