#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

/// How much a device tells.
struct extent {
  bool weft = false;    ///< it is weft's
  bool control = false; ///< and it was asked by weft's own protocol
};

json to_json(const std::vector<drop_count>& drops) {
  auto out = json::object();
  for (const auto& drop : drops)
    out[drop.reason] = drop.packets;
  return out;
}

json to_json(const peer_status& peer, extent told) {
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
  out["rx_packets"] = told.weft ? json(peer.rx_packets) : json();
  out["tx_packets"] = told.weft ? json(peer.tx_packets) : json();
  out["restarts"] = told.weft ? json(peer.restarts) : json();
  out["session_age"]
    = peer.session_age ? json(peer.session_age->count()) : json();
  out["drops"] = told.control ? to_json(peer.drops) : json();
  return out;
}

json to_json(const device_status& status, bool by_control) {
  // A weft daemon always states its MTU, and nothing else does.
  const extent told{by_control || status.mtu != 0, by_control};
  json out;
  out["interface"] = status.interface;
  out["public_key"]
    = status.public_key.is_zero() ? json() : json(to_string(status.public_key));
  out["listen_port"] = status.listen_port;
  out["fwmark"] = status.fwmark;
  out["mtu"] = told.weft ? json(status.mtu) : json();
  out["remote_control"] = null_if_empty(status.remote_control);
  out["drops"] = told.weft ? to_json(status.drops) : json();
  out["peers"] = json::array();
  for (const auto& peer : status.peers)
    out["peers"].push_back(to_json(peer, told));
  return out;
}

} // namespace

std::string format_json(const std::vector<shown_device>& devices) {
  auto all = json::array();
  for (const auto& device : devices)
    all.push_back(to_json(device.status, device.by_control));
  return to_text(all);
}

std::string format_peers_json(const device_status& status) {
  return to_text(to_json(status, true).at("peers"));
}

} // namespace weft
