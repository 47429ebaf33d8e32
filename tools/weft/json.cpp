#include "tools/weft/status_text.hpp"

#include <nlohmann/json.hpp>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

json to_json(const peer_status& peer, bool extended) {
  json out;
  out["name"] = peer.name.empty() ? json() : json(peer.name);
  out["public_key"] = to_string(peer.public_key);
  out["endpoint"] = peer.endpoint ? json(to_string(*peer.endpoint)) : json();
  out["endpoint_host"]
    = peer.endpoint_host.empty() ? json() : json(peer.endpoint_host);
  out["allowed_ips"] = json::array();
  for (const auto& prefix : peer.allowed_ips)
    out["allowed_ips"].push_back(to_string(prefix));
  out["persistent_keepalive"] = peer.persistent_keepalive.count();
  out["last_handshake"] = json();
  if (peer.last_handshake)
    out["last_handshake"] = std::chrono::floor<std::chrono::seconds>(
                              peer.last_handshake->time_since_epoch())
                              .count();
  out["rx_bytes"] = peer.rx_bytes;
  out["tx_bytes"] = peer.tx_bytes;
  out["rx_packets"] = extended ? json(peer.rx_packets) : json();
  out["tx_packets"] = extended ? json(peer.tx_packets) : json();
  out["restarts"] = extended ? json(peer.restarts) : json();
  return out;
}

json to_json(const device_status& status) {
  // A weft daemon always states its MTU, and nothing else does.
  const auto extended = status.mtu != 0;
  json out;
  out["interface"] = status.interface;
  out["public_key"]
    = status.public_key.is_zero() ? json() : json(to_string(status.public_key));
  out["listen_port"] = status.listen_port;
  out["fwmark"] = status.fwmark;
  out["mtu"] = extended ? json(status.mtu) : json();
  out["drops"] = extended ? json::object() : json();
  for (const auto& drop : status.drops)
    out["drops"][drop.reason] = drop.packets;
  out["peers"] = json::array();
  for (const auto& peer : status.peers)
    out["peers"].push_back(to_json(peer, extended));
  return out;
}

} // namespace

std::string format_json(const std::vector<device_status>& devices) {
  auto all = json::array();
  for (const auto& device : devices)
    all.push_back(to_json(device));
  // Names are the configuration's: bytes that are no UTF-8 must not throw.
  return all.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

} // namespace weft
