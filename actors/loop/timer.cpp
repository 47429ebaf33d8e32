#include "actors/loop/timer.hpp"

namespace weft {

timer::timer(caf::actor_config& config, io_loop_ptr loop)
  : hosted(config, std::move(loop)) {
}

timer::behavior_type timer::make_behavior() {
  return {
    [this](const arm_deadline& request) { arm(request); },
  };
}

void timer::on_exit() {
  by_slot_.clear();
}

void timer::arm(const arm_deadline& request) {
  if (request.slot >= by_slot_.size())
    by_slot_.resize(request.slot + 1);
  auto& armed = by_slot_[request.slot];
  if (!request.when) {
    // The slot may have been given to another peer meanwhile.
    if (armed.peer == request.peer)
      armed = {};
    return;
  }
  armed.peer = request.peer;
  if (armed.when == *request.when)
    return;
  armed.when = *request.when;
  const auto is_next = queue_.empty() || armed.when < queue_.top().when;
  queue_.push({armed.when, request.slot});
  if (is_next)
    watch_next();
}

void timer::fire() {
  const auto now = loop().now();
  while (!queue_.empty() && queue_.top().when <= now) {
    const auto due = queue_.top();
    queue_.pop();
    auto& armed = by_slot_[due.slot];
    if (armed.when != due.when)
      continue; // moved, or taken back
    armed.when = time_point::max();
    if (armed.peer)
      send(armed.peer, deadline_passed{});
  }
  watch_next();
}

void timer::watch_next() {
  call_off(next_);
  if (!queue_.empty())
    next_ = call_at(queue_.top().when, [this] { fire(); });
}

} // namespace weft
