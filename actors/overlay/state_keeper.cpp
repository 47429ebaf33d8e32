#include "actors/overlay/state_keeper.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

namespace weft {

state_keeper::state_keeper(caf::actor_config& config, io_loop_ptr loop,
                           state_options state,
                           std::shared_ptr<spdlog::logger> log)
  : hosted(config, std::move(loop)), state_(std::move(state)),
    log_(std::move(log)) {
}

state_keeper::behavior_type state_keeper::make_behavior() {
  return {
    [this](const peer_noted& noted) { note(noted); },
    [this](const peer_forgotten& forgotten) {
      if (state_.remembered.peers.erase(forgotten.peer) == 0)
        return;
      changed_ = true;
      schedule();
    },
    [this](const keep_now&) { return keep(); },
    [this](const state_written& end) { written(end.failure); },
  };
}

void state_keeper::on_exit() {
  threads_.close();
  if ((changed_ || writing_) && state_.leave)
    state_.leave(format_memory(state_.remembered));
}

void state_keeper::note(const peer_noted& noted) {
  auto& [self, last_stamp, peers] = state_.remembered;
  if (self != noted.self) // with another key we are somebody else
    state_.remembered = {noted.self, {}, {}};
  last_stamp = std::max(last_stamp, noted.memory.last_stamp);
  if (peers.size() >= most_remembered && !peers.contains(noted.peer))
    return;
  const auto now = loop().moment().wall;
  auto& peer = peers[noted.peer];
  peer.endpoint = noted.memory.remote;
  peer.configured = noted.configured;
  peer.newest_initiation = noted.memory.newest_initiation;
  if (is_too_far_ahead(peer.newest_initiation, now))
    peer.newest_initiation = {};
  peer.had_session = noted.memory.session_lost;
  peer.noted = std::chrono::floor<std::chrono::seconds>(now);
  changed_ = true;
  schedule();
}

void state_keeper::schedule() {
  if (!changed_ || waiting_ || writing_)
    return;
  waiting_ = true;
  auto when = loop().now() + settling;
  if (last_write_)
    when = std::max(when, *last_write_ + between_writes);
  settled_ = call_at(when, [this] {
    waiting_ = false;
    write();
  });
}

caf::result<void> state_keeper::keep() {
  if (!changed_ && !writing_)
    return caf::unit;
  auto answer = make_response_promise();
  asked_.push_back(answer);
  if (!writing_)
    write();
  return answer;
}

void state_keeper::write() {
  if (std::exchange(waiting_, false))
    call_off(settled_);
  std::move(asked_.begin(), asked_.end(), std::back_inserter(promised_));
  asked_.clear();
  changed_ = false;
  writing_ = true;
  last_write_ = loop().now();
  const auto me = caf::actor_cast<state_keeper_actor>(this);
  try {
    threads_.run("weft-state", me,
                 [write = state_.write,
                  text = format_memory(state_.remembered)] {
                   const auto kept = write(text);
                   return state_written{kept ? "" : kept.error().message};
                 });
  } catch (const std::system_error& error) {
    written(std::string{"there is no thread to write it: "} + error.what());
  }
}

void state_keeper::written(const std::string& failure) {
  writing_ = false;
  for (auto& answer : std::exchange(promised_, {}))
    answer.deliver(caf::unit_t{});
  // Whoever asked meanwhile wants what has come meanwhile.
  if (failure.empty() && changed_ && !asked_.empty())
    return write();
  for (auto& answer : std::exchange(asked_, {}))
    answer.deliver(caf::unit_t{});
  if (!failure.empty()) {
    changed_ = true; // is tried again
    log_->warn("what peers were last known by is not kept for a restart: {}",
               failure);
  }
  schedule();
}

} // namespace weft
