#include "config/fields.hpp"
#include "config/prefix_cover.hpp"
#include "config/wg_quick.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>

namespace weft {

namespace {

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

/// `Key = VALUE`, if wg-quick knows the key and there is a value.
template <class Section, class Value>
void export_key(std::string& out, const field<Section, Value>& row,
                const Value& value) {
  if (row.wg_quick.empty() || value == Value{})
    return;
  out += std::string{row.wg_quick} + " = ";
  append_secret(out, row.print(value));
  out += '\n';
}

/// Where it listens: wg-quick has a key for the port alone.
void export_key(std::string& out, const field<interface_config, endpoint>& row,
                const endpoint& listen) {
  if (!listen.address.is_unspecified())
    out += "# weft listens on " + to_string(listen.address)
           + " only; wg-quick has no key for that.\n";
  if (listen.port != 0)
    out
      += std::string{row.wg_quick} + " = " + std::to_string(listen.port) + "\n";
}

void export_interface(std::string& out, const node_config& config) {
  out += "[Interface]\n";
  for_each_field<interface_config>([&](const auto& row, auto) {
    export_key(out, row, config.interface.*row.member);
  });
  if (would_route_too_much(config))
    out += "# weft makes no route for some of the allowed IPs.\nTable = off\n";
}

void export_peer(std::string& out, const peer_config& peer) {
  out += "\n[Peer]\n";
  if (!peer.name.empty())
    out += "# Name = " + peer.name + "\n";
  for_each_field<peer_config>(
    [&](const auto& row, auto) { export_key(out, row, peer.*row.member); });
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
