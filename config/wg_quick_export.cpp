#include "config/prefix_cover.hpp"
#include "config/wg_quick.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>

namespace weft {

namespace {

std::string join(const std::vector<ip_prefix>& prefixes) {
  std::string out;
  for (const auto& prefix : prefixes)
    out += (out.empty() ? "" : ", ") + to_string(prefix);
  return out;
}

/// Whether wg-quick, which makes a route for each allowed IP, would make one
/// that weft does not.
bool would_route_too_much(const node_config& config) {
  auto routed = config.interface.cluster_networks;
  const auto& own = config.interface.addresses;
  routed.insert(routed.end(), own.begin(), own.end());
  const prefix_cover cover{std::move(routed)};
  return std::any_of(
    config.peers.begin(), config.peers.end(), [&](const auto& peer) {
      return std::any_of(peer.allowed_ips.begin(), peer.allowed_ips.end(),
                         [&](const auto& prefix) {
                           return !cover.covers(prefix);
                         });
    });
}

void export_interface(std::string& out, const node_config& config) {
  const auto& interface = config.interface;
  out += "[Interface]\nPrivateKey = ";
  append_secret(out, to_base64(interface.private_key.bytes()));
  out += "\n";
  if (!interface.listen.address.is_unspecified())
    out += "# weft listens on " + to_string(interface.listen.address)
           + " only; wg-quick has no key for that.\n";
  if (interface.listen.port != 0)
    out += "ListenPort = " + std::to_string(interface.listen.port) + "\n";
  if (interface.fwmark != 0)
    out += "FwMark = " + std::to_string(interface.fwmark) + "\n";
  if (!interface.addresses.empty())
    out += "Address = " + join(interface.addresses) + "\n";
  out += "MTU = " + std::to_string(interface.mtu) + "\n";
  if (would_route_too_much(config))
    out += "# weft makes no route for some of the allowed IPs.\nTable = off\n";
}

void export_peer(std::string& out, const peer_config& peer) {
  out += "\n[Peer]\n";
  if (!peer.name.empty())
    out += "# Name = " + peer.name + "\n";
  out += "PublicKey = " + to_string(peer.public_key) + "\n";
  if (!peer.preshared_key.is_zero()) {
    out += "PresharedKey = ";
    append_secret(out, to_base64(peer.preshared_key.bytes()));
    out += "\n";
  }
  if (!peer.allowed_ips.empty())
    out += "AllowedIPs = " + join(peer.allowed_ips) + "\n";
  if (peer.endpoint)
    out += "Endpoint = " + to_string(*peer.endpoint) + "\n";
  if (peer.persistent_keepalive.count() != 0)
    out += "PersistentKeepalive = "
           + std::to_string(peer.persistent_keepalive.count()) + "\n";
}

} // namespace

std::string export_wg_quick(const node_config& config) {
  std::string out;
  auto room = 1024 + 64 * config.interface.addresses.size();
  for (const auto& peer : config.peers)
    room += 768 + 64 * peer.allowed_ips.size();
  out.reserve(room); // growing would leave copies of keys behind
  export_interface(out, config);
  for (const auto& peer : config.peers)
    export_peer(out, peer);
  return out;
}

} // namespace weft
