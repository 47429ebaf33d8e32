#include "config/difference.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace weft {

namespace {

template <class T>
std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

/// Every field of a peer.
peer_update addition_of(const peer_config& peer) {
  peer_update update;
  update.public_key = peer.public_key;
  update.replace_allowed_ips = true;
  if (!peer.name.empty())
    update.name = peer.name;
  if (!peer.preshared_key.is_zero())
    update.preshared_key = peer.preshared_key;
  update.endpoint = peer.endpoint;
  if (peer.persistent_keepalive.count() != 0)
    update.persistent_keepalive = peer.persistent_keepalive;
  for (const auto& prefix : peer.allowed_ips)
    update.allowed_ips.push_back({prefix, false});
  return update;
}

/// The fields that differ.
peer_update change_of(const peer_config& from, const peer_config& to) {
  peer_update update;
  update.public_key = to.public_key;
  update.update_only = true;
  if (from.name != to.name)
    update.name = to.name;
  if (from.preshared_key != to.preshared_key)
    update.preshared_key = to.preshared_key;
  if (to.endpoint && from.endpoint != to.endpoint)
    update.endpoint = to.endpoint;
  if (from.persistent_keepalive != to.persistent_keepalive)
    update.persistent_keepalive = to.persistent_keepalive;
  if (sorted(from.allowed_ips) != sorted(to.allowed_ips)) {
    update.replace_allowed_ips = true;
    for (const auto& prefix : to.allowed_ips)
      update.allowed_ips.push_back({prefix, false});
  }
  return update;
}

bool is_empty(const peer_update& update) {
  peer_update nothing;
  nothing.public_key = update.public_key;
  nothing.update_only = update.update_only;
  return update == nothing;
}

} // namespace

peer_update replacement_of(const peer_config& peer) {
  auto update = addition_of(peer);
  update.name = peer.name;
  update.preshared_key = peer.preshared_key;
  update.persistent_keepalive = peer.persistent_keepalive;
  return update;
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
    removal.remove = true;
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
    if (!is_empty(change))
      update.peers.push_back(std::move(change));
  }
  return update;
}

} // namespace weft
