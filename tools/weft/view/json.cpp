#include "config/fields.hpp"
#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

/// As the configuration calls it.
template <auto Member>
std::string name_of() {
  return std::string{row_of<Member>().name};
}

json to_json(const std::vector<drop_count>& drops) {
  auto out = json::object();
  for (const auto& drop : drops)
    out[drop.reason] = drop.packets;
  return out;
}

json to_json(const std::vector<ip_prefix>& prefixes) {
  auto out = json::array();
  for (const auto& prefix : prefixes)
    out.push_back(to_string(prefix));
  return out;
}

std::int64_t seconds_since_epoch(wall_time when) {
  return std::chrono::floor<std::chrono::seconds>(when.time_since_epoch())
    .count();
}

json to_json(const peer_status& peer) {
  json out;
  out[name_of<&peer_config::name>()]
    = peer.name.empty() ? json() : json(peer.name);
  out[name_of<&peer_config::public_key>()] = to_string(peer.public_key);
  out["state"] = to_string(peer.state.word);
  out["reason"] = null_if_empty(peer.state.reason);
  out["state_since"] = seconds_since_epoch(peer.state.since);
  out["tries"] = peer.state.tries;
  out[name_of<&peer_config::endpoint>()]
    = peer.endpoint ? json(to_string(*peer.endpoint)) : json();
  out["endpoint_host"]
    = peer.endpoint_host.empty() ? json() : json(peer.endpoint_host);
  out[name_of<&peer_config::allowed_ips>()] = to_json(peer.allowed_ips);
  out[name_of<&peer_config::persistent_keepalive>()]
    = peer.persistent_keepalive.count();
  out["last_handshake"] = json();
  if (peer.last_handshake)
    out["last_handshake"] = seconds_since_epoch(*peer.last_handshake);
  out["rx_bytes"] = peer.rx_bytes;
  out["tx_bytes"] = peer.tx_bytes;
  out["rx_packets"] = peer.rx_packets;
  out["tx_packets"] = peer.tx_packets;
  out["restarts"] = peer.restarts;
  out["session_age"]
    = peer.session_age ? json(peer.session_age->count()) : json();
  out["drops"] = to_json(peer.drops);
  return out;
}

json to_json(const device_status& status) {
  json out;
  out["interface"] = status.interface;
  out["version"] = status.version;
  out["started"] = seconds_since_epoch(status.started);
  out["link"] = status.link_up ? "up" : "down";
  out["addresses"] = to_json(status.addresses);
  out["routes"] = to_json(status.routes);
  out["public_key"]
    = status.public_key.is_zero() ? json() : json(to_string(status.public_key));
  out["listen_port"] = status.listen_port;
  out["fwmark"] = status.fwmark;
  out["mtu"] = status.mtu;
  out["remote_control"] = null_if_empty(status.remote_control);
  out["drops"] = to_json(status.drops);
  out["peers"] = json::array();
  for (const auto& peer : status.peers)
    out["peers"].push_back(to_json(peer));
  return out;
}

} // namespace

std::string format_json(const std::vector<device_status>& devices) {
  auto all = json::array();
  for (const auto& device : devices)
    all.push_back(to_json(device));
  return to_text(all);
}

std::string format_peers_json(const device_status& status) {
  return to_text(to_json(status).at("peers"));
}

} // namespace weft
