// Endpoints that are host names: looked up when they are set, again after a
// failure, and again when nobody answers.
#include "actors/peers/lookup_schedule.hpp"
#include "actors/peers/registry.hpp"
#include "protocol/tunnel/trouble_words.hpp"

#include <algorithm>
#include <utility>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// Addresses have their turns: the one after that which was tried last.
const endpoint& next_of(const std::vector<endpoint>& found,
                        const std::optional<endpoint>& former) {
  const auto last = former ? std::ranges::find(found, *former) : found.end();
  return last == found.end() || last + 1 == found.end() ? found.front()
                                                        : *(last + 1);
}

} // namespace

void registry::resolve(slot_number slot) {
  auto& seat = seats_[slot];
  const auto& config = directory_.at(slot).config;
  const auto& where = config.endpoint;
  const auto* host = where ? std::get_if<host_endpoint>(&*where) : nullptr;
  seat.looking_up = host != nullptr;
  seat.look_up_again.reset();
  seat.not_found.clear();
  seat.moved_on = false;
  if (host != nullptr)
    send(neighbours_.resolver,
         resolve_endpoint{config.public_key, *host,
                          caf::actor_cast<registry_actor>(this)});
}

std::optional<registry::slot_number>
registry::slot_wanting(const public_key& key, const host_endpoint& host) const {
  const auto slot = directory_.slot_of(key);
  if (slot && directory_.at(*slot).config.endpoint == endpoint_config{host})
    return slot;
  return std::nullopt;
}

void registry::lookup_failed(const endpoint_not_found& failure) {
  const auto& host = failure.host;
  const auto slot = slot_wanting(failure.peer, host);
  if (!slot)
    return;
  auto& seat = seats_[*slot];
  seat.looking_up = false;
  const auto is_news = seat.not_found.empty();
  seat.not_found = failure.reason;
  if (seat.look_up_again)
    return;
  const auto delay = failure.retry_after;
  seat.look_up_again = loop().now() + delay;
  log_->log(is_news ? spdlog::level::warn : spdlog::level::debug,
            "peer {}: endpoint {}:{} not found ({}); trying again in {} s",
            name_in_log(directory_.shown_name(*slot), failure.peer), host.host,
            host.port, failure.reason, delay.count());
  call_at(*seat.look_up_again, [this, failure] {
    resolve_again(failure.peer, failure.host,
                  std::min<std::chrono::seconds>(failure.retry_after * 2, 60s));
  });
}

void registry::resolve_again(const public_key& key, const host_endpoint& host,
                             std::chrono::seconds retry_after) {
  const auto slot = slot_wanting(key, host);
  if (!slot)
    return;
  auto& seat = seats_[*slot];
  if (!seat.look_up_again || loop().now() < *seat.look_up_again)
    return; // of a look-up that another one has replaced
  seat.look_up_again.reset();
  seat.looking_up = true;
  send(neighbours_.resolver,
       resolve_endpoint{key, host, caf::actor_cast<registry_actor>(this),
                        retry_after});
}

void registry::set_resolved(const endpoint_resolved& resolved) {
  const auto slot = slot_wanting(resolved.peer, resolved.host);
  if (!slot)
    return; // it was removed, or given another endpoint
  auto& seat = seats_[*slot];
  seat.looking_up = false;
  seat.look_up_again.reset();
  if (!seat.not_found.empty())
    log_->info("peer {}: endpoint {}:{} is found now",
               name_in_log(directory_.shown_name(*slot), resolved.peer),
               resolved.host.host, resolved.host.port);
  seat.not_found.clear();
  if (resolved.gone.empty())
    seat.gone.reset();
  else if (std::exchange(seat.gone, resolved.host) != resolved.host)
    log_->warn("peer {}: endpoint {}:{} does not exist any more ({}): where it "
               "was is tried for {} minutes at most",
               name_in_log(directory_.shown_name(*slot), resolved.peer),
               resolved.host.host, resolved.host.port, resolved.gone,
               std::chrono::duration_cast<std::chrono::minutes>(
                 lookup_schedule::known_while_gone)
                 .count());
  seat.found = resolved.found;
  const auto former = directory_.at(*slot).address;
  const bool stays = std::exchange(seat.moved_on, false) && former
                     && std::ranges::find(seat.found, *former)
                          != seat.found.end(); // it has just been begun with
  use_address(*slot, stays ? *former : next_of(seat.found, former));
}

/// Also if it has not moved: the peer may have roamed.
void registry::use_address(slot_number slot, const endpoint& address) {
  send(seats_[slot].actor, endpoint_found{address});
  if (directory_.at(slot).address == address)
    return;
  directory_.set_address(slot, address);
  check_way(slot);
  announce(slot);
  publish();
}

void registry::try_another_address(const endpoint_unanswered& unanswered) {
  const auto slot = directory_.slot_of(unanswered.peer);
  if (!slot)
    return;
  auto& seat = seats_[*slot];
  if (!seat.looking_up && !seat.look_up_again)
    return resolve(*slot);
  // Whoever knows the name may be behind the way that is lost.
  if (seat.found.size() < 2)
    return;
  seat.moved_on = true;
  use_address(*slot, next_of(seat.found, directory_.at(*slot).address));
}

/// A peer that has an address, and says what is wrong with it, knows better.
void registry::explain_name(slot_number slot, peer_status& status) const {
  const auto& seat = seats_[slot];
  if (seat.not_found.empty() || status.state.word == peer_word::up
      || (status.endpoint && !status.state.reason.empty()))
    return;
  status.state.cause = cause::not_resolved;
  auto& reason = status.state.reason;
  reason = "not resolved: " + seat.not_found;
  if (seat.look_up_again) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(
      std::max<duration>(*seat.look_up_again - loop().now(), {}));
    reason += ", next try in " + std::to_string(left.count()) + " s";
  }
}

} // namespace weft
