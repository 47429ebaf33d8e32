#include "config/difference.hpp"

#include "config/sorted.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

namespace weft {

namespace {

void replace_allowed_ips(patch<peer_config>& change, const peer_config& to) {
  change.replace_allowed_ips = true;
  for (const auto& prefix : to.allowed_ips)
    change.allowed_ips.push_back({prefix, false});
}

/// Whatever of `to` differs from `from`, but for key and allowed IPs.
void state_difference(patch<peer_config>& change, const peer_config& from,
                      const peer_config& to) {
  for_each_field<peer_config>([&](const auto& row, auto) {
    if constexpr (is_stated_in_patch<value_of<decltype(row)>>) {
      if (from.*row.member != to.*row.member)
        change.set(row.member, to.*row.member);
    }
  });
}

patch<peer_config> addition_of(const peer_config& peer) {
  patch<peer_config> addition;
  addition.public_key = peer.public_key;
  state_difference(addition, {}, peer);
  replace_allowed_ips(addition, peer);
  return addition;
}

patch<peer_config> change_of(const peer_config& from, const peer_config& to) {
  patch<peer_config> change;
  change.public_key = to.public_key;
  change.verb = peer_verb::update;
  state_difference(change, from, to);
  if (sorted(from.allowed_ips) != sorted(to.allowed_ips))
    replace_allowed_ips(change, to);
  return change;
}

} // namespace

patch<peer_config> replacement_of(const peer_config& peer) {
  patch<peer_config> replacement;
  replacement.public_key = peer.public_key;
  for_each_field<peer_config>([&](const auto& row, auto) {
    if constexpr (is_stated_in_patch<value_of<decltype(row)>>)
      replacement.set(row.member, peer.*row.member);
  });
  replace_allowed_ips(replacement, peer);
  return replacement;
}

device_update difference(const node_config& from, const node_config& to) {
  device_update update;
  if (from.interface.private_key != to.interface.private_key)
    update.private_key = to.interface.private_key;
  if (from.interface.listen.port != to.interface.listen.port)
    update.listen_port = to.interface.listen.port;
  if (from.interface.fwmark != to.interface.fwmark)
    update.fwmark = to.interface.fwmark;

  std::unordered_map<public_key, const peer_config*> before;
  for (const auto& peer : from.peers)
    before.emplace(peer.public_key, &peer);
  std::unordered_set<public_key> after;
  for (const auto& peer : to.peers)
    after.insert(peer.public_key);

  for (const auto& peer : from.peers) {
    if (after.contains(peer.public_key))
      continue;
    auto& removal = update.peers.emplace_back();
    removal.public_key = peer.public_key;
    removal.verb = peer_verb::remove;
  }
  // Each peer's allowed IPs are replaced as a whole, and no two peers of `to`
  // share a prefix: whatever a later peer takes from an earlier one is not in
  // the earlier one's new list.
  for (const auto& peer : to.peers) {
    const auto known = before.find(peer.public_key);
    if (known == before.end()) {
      update.peers.push_back(addition_of(peer));
      continue;
    }
    auto change = change_of(*known->second, peer);
    if (!change.keeps_all() || change.replace_allowed_ips)
      update.peers.push_back(std::move(change));
  }
  return update;
}

void make_change(const patch<peer_config>& change,
                 std::vector<peer_config>& peers) {
  auto found
    = std::ranges::find(peers, change.public_key, &peer_config::public_key);
  if (change.verb == peer_verb::remove) {
    if (found != peers.end())
      peers.erase(found);
    return;
  }
  if (found == peers.end()) {
    if (change.verb == peer_verb::update)
      return;
    peers.emplace_back().public_key = change.public_key;
    found = std::prev(peers.end());
  }
  change.apply_to(*found);
  if (change.replace_allowed_ips)
    found->allowed_ips.clear();
  for (const auto& [prefix, is_removed] : change.allowed_ips) {
    std::erase(found->allowed_ips, prefix);
    if (is_removed)
      continue;
    for (auto& peer : peers)
      std::erase(peer.allowed_ips, prefix);
    found->allowed_ips.push_back(prefix);
  }
}

} // namespace weft
