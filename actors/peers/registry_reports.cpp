// What the registry tells of the peers.
#include "actors/peers/registry.hpp"
#include "messages/errors.hpp"
#include "protocol/base/unix_time.hpp"

#include <cerrno>

namespace weft {

peer_configurations registry::configuration() const {
  peer_configurations result;
  for (slot_number slot = 0; slot < directory_.slots(); ++slot) {
    const auto* known = directory_.find(slot);
    if (known == nullptr
        || !peer_directory::replaces(peer_origin::file, known->origin))
      continue;
    auto& peer = result.peers.emplace_back(known->config);
    peer.allowed_ips = known->stated_allowed_ips();
  }
  const auto& deprived = directory_.deprived();
  result.deprived = {deprived.begin(), deprived.end()};
  return result;
}

peer_networks registry::networks(route_mode routes) const {
  network_collector collector{routes};
  for (slot_number slot = 0; slot < directory_.slots(); ++slot) {
    const auto* known = directory_.find(slot);
    if (known == nullptr
        || !peer_directory::replaces(peer_origin::file, known->origin))
      continue;
    const bool is_full = known->config.default_route;
    if (known->implied.empty())
      collector.add(is_full, known->allowed);
    else
      collector.add(is_full, known->stated_allowed_ips());
  }
  return collector.take();
}

peer_addresses registry::addresses() const {
  std::set<ip_address> known;
  for (slot_number slot = 0; slot < directory_.slots(); ++slot) {
    const auto* peer = directory_.find(slot);
    if (peer == nullptr)
      continue;
    const auto& where
      = seats_[slot].heard_at ? seats_[slot].heard_at : peer->address;
    if (where)
      known.insert(where->address);
  }
  return {{known.begin(), known.end()}};
}

caf::error registry::no_such_peer(const public_key& key) {
  return make_error(ENOENT, "there is no peer " + to_string(key), "peer");
}

caf::result<void> registry::start_handshake(const begin_handshake& asked) {
  const auto slot = directory_.slot_of(asked.peer);
  if (!slot)
    return no_such_peer(asked.peer);
  send(seats_[*slot].actor, handshake_wanted{});
  return caf::unit;
}

caf::result<bool> registry::handshake_since(const check_handshake& asked) {
  const auto slot = directory_.slot_of(asked.peer);
  if (!slot)
    return no_such_peer(asked.peer);
  auto promise = make_response_promise<caf::typed_response_promise<bool>>();
  request(seats_[*slot].actor, caf::infinite, report_request{})
    .then(
      [promise, since = asked.since](const peer_report& report) mutable {
        const auto& last = report.status.last_handshake;
        promise.deliver(last && seconds_since_epoch(*last) >= since);
      },
      [promise](const caf::error&) mutable { promise.deliver(false); });
  return promise;
}

/// A report that peers are still being asked for.
struct registry::collection {
  report_request asked;
  registry_report report;
  std::vector<peer_actor> from;
  std::size_t next = 0; ///< of these, to be asked
  std::size_t missing = 0;
  caf::typed_response_promise<registry_report> promise;
};

caf::result<registry_report> registry::report(const report_request& request) {
  auto all = std::make_shared<collection>();
  all->asked = request;
  all->report.drops = ended_drops_;
  all->promise
    = make_response_promise<caf::typed_response_promise<registry_report>>();
  std::size_t prefixes = 0;
  auto next = request.first_peer;
  for (; next < directory_.slots() && all->from.size() < request.max_peers;
       ++next) {
    const auto* known = directory_.find(next);
    if (known == nullptr)
      continue;
    prefixes += known->allowed.size();
    if (prefixes > request.max_prefixes && !all->from.empty())
      break;
    all->from.push_back(seats_[next].actor);
    // What is known without the peer, in case it fails just now.
    auto& status = all->report.peers.emplace_back();
    status.public_key = known->config.public_key;
    status.allowed_ips.assign(known->allowed.begin(), known->allowed.end());
    status.restarts = seats_[next].restarts;
  }
  while (next < directory_.slots() && directory_.find(next) == nullptr)
    ++next;
  all->report.next_peer = next < directory_.slots() ? next : 0;
  all->missing = all->from.size();
  if (all->from.empty())
    all->promise.deliver(std::move(all->report));
  // Packets shall not wait for all peers to report.
  for (std::size_t i = 0; i < most_reporting && i < all->from.size(); ++i)
    ask_next_peer(all);
  return all->promise;
}

void registry::ask_next_peer(const std::shared_ptr<collection>& all) {
  if (all->next == all->from.size())
    return;
  const auto number = all->next++;
  auto answered = [this, all] {
    if (--all->missing == 0)
      all->promise.deliver(std::move(all->report));
    else
      ask_next_peer(all);
  };
  request(all->from[number], caf::infinite, all->asked)
    .then(
      [this, all, number, answered](peer_report& report) {
        if (directory_.slot_of(report.status.public_key) == report.slot) {
          explain_name(report.slot, report.status);
          explain_way(report.slot, report.status);
        }
        auto& place = all->report.peers[number];
        report.status.drops = to_counts(report.drops, false);
        report.status.allowed_ips = std::move(place.allowed_ips);
        report.status.restarts = place.restarts;
        place = std::move(report.status);
        all->report.drops.add(report.drops);
        answered();
      },
      [answered](const caf::error&) { answered(); });
}

} // namespace weft
