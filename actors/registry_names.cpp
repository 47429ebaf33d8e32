// Endpoints that are host names: looked up when they are set, again after a
// failure, and again when nobody answers.
#include "actors/registry.hpp"

#include <algorithm>

namespace weft {

using namespace std::chrono_literals;

std::string registry::host_text(const endpoint_config& where) {
  if (const auto* host = std::get_if<host_endpoint>(&where))
    return host->host + ':' + std::to_string(host->port);
  return {};
}

void registry::resolve(std::uint32_t slot, const endpoint_config& where) {
  if (const auto* host = std::get_if<host_endpoint>(&where))
    send(neighbours_.resolver,
         resolve_endpoint{slots_[slot].settings.public_key, *host,
                          caf::actor_cast<registry_actor>(this)});
}

registry::slot_entry*
registry::entry_wanting(const public_key& key, const host_endpoint& host) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end())
    return nullptr;
  auto& entry = slots_[found->second];
  return entry.settings.endpoint_host == host_text(host) ? &entry : nullptr;
}

void registry::lookup_failed(const endpoint_not_found& failure) {
  const auto& host = failure.host;
  if (entry_wanting(failure.peer, host) == nullptr)
    return;
  const auto delay = failure.retry_after;
  log_->warn("endpoint {}:{} not found ({}); trying again in {} s", host.host,
             host.port, failure.reason, delay.count());
  delayed_send(caf::actor_cast<registry_actor>(this), delay,
               lookup_due{failure.peer, host,
                          std::min<std::chrono::seconds>(delay * 2, 60s)});
}

void registry::resolve_again(const lookup_due& due) {
  if (entry_wanting(due.peer, due.host) != nullptr)
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
  // The addresses have their turns: the one after that which was tried last.
  const auto& found = resolved.found;
  auto next = entry.settings.endpoint ? std::find(found.begin(), found.end(),
                                                  *entry.settings.endpoint)
                                      : found.end();
  next
    = next == found.end() || next + 1 == found.end() ? found.begin() : next + 1;
  entry.settings.endpoint = *next;
  change_peer changes;
  changes.endpoint = *next;
  send(entry.actor, std::move(changes));
  announce(entry);
  publish();
}

void registry::try_another_address(const endpoint_unanswered& unanswered) {
  const auto found = by_key_.find(unanswered.peer);
  if (found == by_key_.end())
    return;
  const auto& where = slots_[found->second].configured_endpoint;
  if (where)
    resolve(found->second, *where);
}

} // namespace weft
