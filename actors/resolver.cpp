#include "actors/resolver.hpp"

#include "platform/resolve.hpp"
#include "platform/thread.hpp"

#include <algorithm>
#include <system_error>
#include <thread>

namespace weft {

resolver::resolver(caf::actor_config& config, io_loop_ptr loop)
  : hosted(config, std::move(loop)) {
}

resolver::behavior_type resolver::make_behavior() {
  return {
    [this](const resolve_endpoint& request) {
      // A newer request for the same peer takes the place of an older one.
      const auto waiting = queue_.begin() + (busy_ ? 1 : 0);
      queue_.erase(std::remove_if(waiting, queue_.end(),
                                  [&](const resolve_endpoint& other) {
                                    return other.peer == request.peer;
                                  }),
                   queue_.end());
      queue_.push_back(request);
      start_next();
    },
    [this](const lookup_finished& result) { finished(result); },
  };
}

void resolver::on_exit() {
  const std::lock_guard guard(door_->mutex);
  door_->open = false;
  queue_.clear();
}

void resolver::start_next() {
  if (busy_ || queue_.empty())
    return;
  busy_ = true;
  try {
    start_thread(queue_.front().host);
  } catch (const std::system_error& error) {
    finished({{}, error.what()});
  }
}

void resolver::start_thread(const host_endpoint& host) {
  std::thread([host, door = door_,
               weak = caf::actor_cast<caf::weak_actor_ptr>(this)] {
    enter_service_thread("weft-resolve");
    auto found = resolve_host(host.host, host.port);
    lookup_finished result;
    if (found)
      result.found = std::move(*found);
    if (result.found.empty())
      result.error = found ? "no address" : found.error().message;
    const std::lock_guard guard(door->mutex);
    if (!door->open)
      return;
    if (auto self = weak.lock())
      caf::anon_send(caf::actor_cast<resolver_actor>(self), std::move(result));
  }).detach();
}

void resolver::finished(const lookup_finished& result) {
  const auto first = std::move(queue_.front());
  queue_.pop_front();
  busy_ = false;
  if (!result.found.empty())
    send(first.asker, endpoint_resolved{first.peer, first.host, result.found});
  else
    send(first.asker, endpoint_not_found{first.peer, first.host,
                                         first.retry_after, result.error});
  start_next();
}

} // namespace weft
