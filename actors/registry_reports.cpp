// What the registry tells of the peers.
#include "actors/registry.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

peer_configurations registry::configuration() const {
  peer_configurations result;
  for (const auto& entry : slots_) {
    if (!entry.actor)
      continue;
    auto& peer = result.peers.emplace_back();
    peer.name = entry.settings.name;
    peer.public_key = entry.settings.public_key;
    peer.preshared_key = entry.settings.preshared_key;
    peer.endpoint = entry.configured_endpoint;
    peer.allowed_ips.assign(entry.allowed.begin(), entry.allowed.end());
    peer.persistent_keepalive = entry.settings.persistent_keepalive;
  }
  return result;
}

caf::result<bool> registry::handshake_since(const check_handshake& asked) {
  const auto found = by_key_.find(asked.peer);
  if (found == by_key_.end())
    return make_error(ENOENT, "there is no peer " + to_string(asked.peer),
                      "peer");
  auto promise = make_response_promise<caf::typed_response_promise<bool>>();
  request(slots_[found->second].actor, caf::infinite, report_request{})
    .then(
      [promise, since = asked.since](const peer_report& report) mutable {
        const auto& last = report.status.last_handshake;
        promise.deliver(
          last
          && std::chrono::floor<std::chrono::seconds>(last->time_since_epoch())
                 .count()
               >= since);
      },
      [promise](const caf::error&) mutable { promise.deliver(false); });
  return promise;
}

caf::result<registry_report> registry::report(const report_request& request) {
  struct collection {
    registry_report report;
    std::size_t missing = 0;
  };
  auto promise
    = make_response_promise<caf::typed_response_promise<registry_report>>();
  auto all = std::make_shared<collection>();
  std::vector<std::uint32_t> used;
  std::size_t prefixes = 0;
  auto next = request.first_peer;
  for (; next < slots_.size() && used.size() < request.max_peers; ++next) {
    if (!slots_[next].actor)
      continue;
    prefixes += slots_[next].allowed.size();
    if (prefixes > request.max_prefixes && !used.empty())
      break;
    used.push_back(next);
  }
  while (next < slots_.size() && !slots_[next].actor)
    ++next;
  all->report.next_peer = next < slots_.size() ? next : 0;
  all->report.peers.resize(used.size());
  all->missing = used.size();
  if (used.empty()) {
    promise.deliver(std::move(all->report));
    return promise;
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto slot = used[i];
    auto& status = all->report.peers[i];
    // What is known without the peer, in case it fails just now.
    status.public_key = slots_[slot].settings.public_key;
    status.allowed_ips.assign(slots_[slot].allowed.begin(),
                              slots_[slot].allowed.end());
    status.restarts = slots_[slot].restarts;
    auto deliver = [all, promise]() mutable {
      if (--all->missing == 0)
        promise.deliver(std::move(all->report));
    };
    this->request(slots_[slot].actor, caf::infinite, request)
      .then(
        [all, i, deliver](peer_report& report) mutable {
          auto& place = all->report.peers[i];
          report.status.drops = to_counts(report.drops, false);
          report.status.allowed_ips = std::move(place.allowed_ips);
          report.status.restarts = place.restarts;
          place = std::move(report.status);
          all->report.drops.add(report.drops);
          deliver();
        },
        [deliver](const caf::error&) mutable { deliver(); });
  }
  return promise;
}

} // namespace weft
