// A session as values: what it gives out, what it goes on with.
#include "protocol/tunnel/session_state.hpp"

#include "protocol/tunnel/peer_session.hpp"

#include <algorithm>
#include <cassert>

namespace weft {

void leave_out_counters(session_state& state) {
  auto& [current, previous, next, next_is_final] = state.keys;
  for (auto* pair : {&current, &previous, &next}) {
    if (!*pair)
      continue;
    auto& counter = (*pair)->send_counter;
    counter += std::min(left_out_counters,
                        limits::reject_after_messages
                          - std::min(counter, limits::reject_after_messages));
  }
}

session_memory peer_session::memory() const {
  session_memory memory;
  if (values_.path)
    memory.remote = values_.path->remote;
  memory.proven = values_.proven;
  memory.newest_initiation = values_.newest_timestamp;
  memory.last_stamp = values_.last_timestamp;
  memory.generation = values_.generation;
  memory.session_lost = session_created().has_value();
  return memory;
}

session_state peer_session::save() const {
  session_state state{
    values_, keys_.save(), stamper_.save(), loop_guard_.save(), {}};
  state.staged.reserve(staged_.size());
  for (std::size_t i = 0; i < staged_.size(); ++i)
    state.staged.emplace_back(staged_[i].begin(), staged_[i].end());
  return state;
}

void peer_session::restore(const session_state& from) {
  assert(from.values.peer == values_.peer);
  staged_.remove_oldest(staged_.size());
  values_ = from.values;
  keys_.restore(from.keys);
  stamper_.restore(from.cookies);
  loop_guard_.restore(from.loops);
  for (const auto& packet : from.staged)
    staged_.add(packet);
}

void peer_session::resume(const session_memory& former) {
  if (former.remote)
    set_endpoint(*former.remote);
  values_.proven = former.proven;
  values_.heard_by.reset();
  values_.newest_timestamp = former.newest_initiation;
  values_.last_timestamp = std::max(values_.last_timestamp, former.last_stamp);
  values_.generation = former.generation;
}

} // namespace weft
