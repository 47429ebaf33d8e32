// Endpoints that are host names: looked up when they are set, again after a
// failure, and again when nobody answers.
#include "actors/peers/registry.hpp"
#include "platform/clock.hpp"

#include <algorithm>

namespace weft {

using namespace std::chrono_literals;

void registry::resolve(std::uint32_t slot) {
  auto& entry = slots_[slot];
  const auto& where = entry.config.endpoint;
  const auto* host = where ? std::get_if<host_endpoint>(&*where) : nullptr;
  entry.looking_up = host != nullptr;
  entry.look_up_again.reset();
  if (host != nullptr)
    send(neighbours_.resolver,
         resolve_endpoint{entry.config.public_key, *host,
                          caf::actor_cast<registry_actor>(this)});
}

registry::slot_entry*
registry::entry_wanting(const public_key& key, const host_endpoint& host) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end())
    return nullptr;
  auto& entry = slots_[found->second];
  return entry.config.endpoint == endpoint_config{host} ? &entry : nullptr;
}

void registry::lookup_failed(const endpoint_not_found& failure) {
  const auto& host = failure.host;
  auto* entry = entry_wanting(failure.peer, host);
  if (entry == nullptr)
    return;
  entry->looking_up = false;
  if (entry->look_up_again)
    return;
  const auto delay = failure.retry_after;
  entry->look_up_again = boot_now() + delay;
  log_->warn("endpoint {}:{} not found ({}); trying again in {} s", host.host,
             host.port, failure.reason, delay.count());
  delayed_send(caf::actor_cast<registry_actor>(this), delay,
               lookup_due{failure.peer, host,
                          std::min<std::chrono::seconds>(delay * 2, 60s)});
}

void registry::resolve_again(const lookup_due& due) {
  // The clock of delayed messages may be a little ahead of ours.
  constexpr auto tolerance = 100ms;
  auto* entry = entry_wanting(due.peer, due.host);
  if (entry == nullptr || !entry->look_up_again
      || boot_now() + tolerance < *entry->look_up_again)
    return; // of a look-up that another one has replaced
  entry->look_up_again.reset();
  entry->looking_up = true;
  send(neighbours_.resolver,
       resolve_endpoint{due.peer, due.host,
                        caf::actor_cast<registry_actor>(this),
                        due.retry_after});
}

void registry::set_resolved(const endpoint_resolved& resolved) {
  auto* wanting = entry_wanting(resolved.peer, resolved.host);
  if (wanting == nullptr)
    return; // it was removed, or given another endpoint
  auto& entry = *wanting;
  entry.looking_up = false;
  entry.look_up_again.reset();
  // The addresses have their turns: the one after that which was tried last.
  const auto& found = resolved.found;
  auto next = entry.address
                ? std::find(found.begin(), found.end(), *entry.address)
                : found.end();
  next
    = next == found.end() || next + 1 == found.end() ? found.begin() : next + 1;
  const auto moved = entry.address != *next;
  entry.address = *next;
  // Also if it has not moved: the peer may have roamed.
  send(entry.actor, endpoint_found{*next});
  if (moved) {
    announce(entry);
    publish();
  }
}

void registry::try_another_address(const endpoint_unanswered& unanswered) {
  const auto found = by_key_.find(unanswered.peer);
  if (found == by_key_.end())
    return;
  const auto& entry = slots_[found->second];
  if (!entry.looking_up && !entry.look_up_again)
    resolve(found->second);
}

} // namespace weft
