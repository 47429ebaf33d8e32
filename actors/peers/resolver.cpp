#include "actors/peers/resolver.hpp"

#include "platform/direct_resolve.hpp"
#include "platform/in_time.hpp"
#include "platform/name_servers.hpp"
#include "platform/resolve.hpp"
#include "protocol/base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace weft {

resolver::resolver(caf::actor_config& config, io_loop_ptr loop, look_up how,
                   lookup_schedule::limits most)
  : hosted(config, std::move(loop)), how_(std::move(how)), schedule_(most) {
}

resolver::behavior_type resolver::make_behavior() {
  return {
    [this](const resolve_endpoint& request) { ask(request); },
    [this](const lookup_finished& result) {
      if (!result.servers.empty())
        servers_ = result.servers;
      schedule_.finished(result.host, loop().now());
      remember(result);
      answer(result);
      proceed();
    },
    [this](const lookup_way& way) { way_ = way; },
  };
}

void resolver::on_exit() {
  threads_.close();
  askers_.clear();
  wanted_.clear();
}

void resolver::ask(const resolve_endpoint& request) {
  // A newer request for the same peer takes the place of an older one.
  auto& wanted = wanted_[request.peer];
  if (wanted != request.host)
    forget(request.peer, std::exchange(wanted, request.host));
  askers_[key_of(request.host)][request.peer] = {request};
  schedule_.add(request.host, loop().now());
  proceed();
}

void resolver::forget(const public_key& peer, const host_endpoint& host) {
  const auto found = askers_.find(key_of(host));
  if (found == askers_.end() || found->second.erase(peer) == 0
      || !found->second.empty())
    return;
  askers_.erase(found);
  schedule_.remove(host);
}

void resolver::proceed() {
  const auto now = loop().now();
  for (const auto& host : schedule_.too_long(now))
    tell_of_delay(host);
  for (const auto& host : schedule_.begin(now)) {
    try {
      threads_.run("weft-resolve", caf::actor_cast<resolver_actor>(this),
                   [host, how = present_way()] { return how(host); });
    } catch (const std::system_error& error) {
      send(caf::actor_cast<resolver_actor>(this),
           lookup_finished{host, {}, error.what()});
    }
  }
  const auto next = schedule_.next_change(now);
  call_off(next_change_);
  if (next)
    next_change_ = call_at(*next, [this] { proceed(); });
}

/// What comes later still counts.
void resolver::tell_of_delay(const host_endpoint& host) {
  const auto found = askers_.find(key_of(host));
  if (found == askers_.end())
    return;
  const auto why = with_remedy("no name server answers");
  for (auto& [peer, one] : found->second) {
    if (!std::exchange(one.told, true))
      send(one.request.asker,
           endpoint_not_found{peer, host, one.request.retry_after, why});
  }
}

void resolver::remember(const lookup_finished& result) {
  constexpr std::size_t most = 10'000;
  const auto key = key_of(result.host);
  const auto known = known_.find(key);
  if (!result.found.empty()) {
    if (known_.size() < most || known != known_.end())
      known_.insert_or_assign(key, known_host{result.found});
    return;
  }
  if (known == known_.end())
    return;
  auto& [found, gone_since, gone] = known->second;
  const auto now = loop().now();
  if (result.none_exists && !gone_since) {
    gone_since = now;
    gone = result.error;
  }
  // Nobody is left to say that it is there again.
  if (gone_since && now - *gone_since >= lookup_schedule::known_while_gone)
    known_.erase(known);
}

std::string resolver::with_remedy(std::string reason) const {
  if (way_.beside_tunnel && are_programs_of_host(find_name_servers()))
    reason += ": " + only_programs_of_host();
  return reason;
}

void resolver::answer(const lookup_finished& result) {
  const auto known = known_.find(key_of(result.host));
  const bool goes_by_known
    = result.found.empty() && way_.beside_tunnel && known != known_.end();
  const auto& addresses = goes_by_known ? known->second.found : result.found;
  const auto gone = goes_by_known ? known->second.gone : std::string{};
  const auto found = askers_.find(key_of(result.host));
  if (found == askers_.end())
    return;
  const auto why
    = addresses.empty() ? with_remedy(result.error) : std::string{};
  for (const auto& [peer, one] : std::exchange(found->second, {})) {
    wanted_.erase(peer);
    if (!addresses.empty())
      send(one.request.asker,
           endpoint_resolved{peer, result.host, addresses, gone});
    else if (!one.told)
      send(one.request.asker,
           endpoint_not_found{peer, result.host, one.request.retry_after, why});
  }
  askers_.erase(found);
}

resolver::look_up resolver::present_way() const {
  if (!way_.beside_tunnel)
    return how_;
  return [way = way_, servers = servers_](const host_endpoint& host) {
    return look_up_beside_tunnel(host, way, servers);
  };
}

lookup_finished
resolver::look_up_beside_tunnel(const host_endpoint& host,
                                const lookup_way& way,
                                const std::vector<std::string>& last_known) {
  if (!is_resolvable_name(host.host))
    return look_up_by_system(host); // an address, for which nobody is asked
  lookup_finished result{host, {}, {}, find_name_servers()};
  std::erase_if(result.servers, [&](const std::string& server) {
    return std::ranges::find(way.within, server) != way.within.end();
  });
  if (result.servers.empty()
      || (are_programs_of_host(result.servers) && !last_known.empty()))
    result.servers = last_known;
  if (result.servers.empty()) {
    result.error = "this host has no name server but those in the tunnel";
    return result;
  }
  auto found
    = resolve_host_directly(host.host, host.port, {result.servers, way.mark});
  if (found)
    result.found = std::move(*found);
  result.none_exists
    = found ? result.found.empty() : found.error().code == ENOENT;
  if (result.found.empty())
    result.error = found ? "no address" : found.error().message;
  return result;
}

std::vector<lookup_finished>
resolver::look_up_before_tunnel(std::span<const peer_config> peers) {
  if (!are_programs_of_host(find_name_servers()))
    return {};
  std::vector<host_endpoint> hosts;
  for (const auto& peer : peers) {
    const auto* host
      = peer.endpoint ? std::get_if<host_endpoint>(&*peer.endpoint) : nullptr;
    if (host != nullptr && is_resolvable_name(host->host))
      hosts.push_back(*host);
  }
  return look_up_in_time(hosts, look_up_by_system);
}

std::vector<lookup_finished>
resolver::look_up_in_time(const std::vector<host_endpoint>& hosts, look_up how,
                          std::chrono::milliseconds patience) {
  const auto is_found
    = [](const lookup_finished& result) { return !result.found.empty(); };
  // The host's resolver cannot be interrupted.
  auto all = do_in_time<host_endpoint, lookup_finished>(
    "weft-resolve", hosts, std::move(how), is_found, patience);
  if (all.size() < hosts.size() && (all.empty() || is_found(all.back())))
    all.push_back({hosts[all.size()], {}, "no name server answers"});
  return all;
}

lookup_finished resolver::look_up_by_system(const host_endpoint& host) {
  lookup_finished result{host, {}, {}};
  auto found = resolve_host(host.host, host.port);
  if (found)
    result.found = std::move(*found);
  if (result.found.empty())
    result.error = found ? "no address" : found.error().message;
  return result;
}

} // namespace weft
