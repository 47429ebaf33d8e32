#include "actors/resolver.hpp"

#include "platform/resolve.hpp"
#include "platform/thread.hpp"

#include <algorithm>
#include <thread>

namespace weft {

using namespace std::chrono_literals;

resolver::resolver(caf::actor_config& config, io_loop_ptr loop,
                   std::shared_ptr<spdlog::logger> log)
  : hosted(config, std::move(loop)), log_(std::move(log)) {
}

resolver::behavior_type resolver::make_behavior() {
  return {
    [this](const resolve_endpoint& request) {
      // A newer request for the same peer takes the place of an older one.
      const auto first = queue_.begin() + (busy_ ? 1 : 0);
      queue_.erase(std::remove_if(first, queue_.end(),
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
  std::thread([host = queue_.front().host, door = door_,
               weak = caf::actor_cast<caf::weak_actor_ptr>(this)] {
    enter_service_thread("weft-resolve");
    auto found = resolve_host(host.host, host.port);
    lookup_finished result;
    if (found && !found->empty())
      result.found = found->front();
    else
      result.error = found ? "no address" : found.error().message;
    const std::lock_guard guard(door->mutex);
    if (!door->open)
      return;
    if (auto self = weak.lock())
      caf::anon_send(caf::actor_cast<resolver_actor>(self), std::move(result));
  }).detach();
}

void resolver::finished(const lookup_finished& result) {
  auto looked_up = std::move(queue_.front());
  queue_.pop_front();
  busy_ = false;
  const auto& host = looked_up.host;
  if (result.found) {
    send(looked_up.asker,
         endpoint_resolved{looked_up.peer, host, *result.found});
  } else {
    log_->warn("endpoint {}:{} not found ({}); trying again in {} s", host.host,
               host.port, result.error, looked_up.retry_after.count());
    const auto delay = looked_up.retry_after;
    looked_up.retry_after = std::min<std::chrono::seconds>(delay * 2, 60s);
    delayed_send(caf::actor_cast<resolver_actor>(this), delay,
                 std::move(looked_up));
  }
  start_next();
}

} // namespace weft
