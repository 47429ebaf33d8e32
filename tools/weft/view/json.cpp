#include "config/fields.hpp"
#include "protocol/base/unix_time.hpp"
#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/network_text.hpp"
#include "tools/weft/view/offload_text.hpp"
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

json to_json(const peer_status& peer) {
  json out;
  out[name_of<&peer_config::name>()]
    = peer.name.empty() ? json() : json(peer.name);
  out[name_of<&peer_config::public_key>()] = to_string(peer.public_key);
  out["state"] = to_string(peer.state.word);
  out["reason"] = null_if_empty(peer.state.reason);
  out["cause"] = null_if_empty(peer.state.cause);
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
  const auto null_if_zero
    = [](std::uint64_t number) { return number == 0 ? json() : json(number); };
  out["round_trip_us"] = null_if_zero(peer.round_trip);
  out["path_mtu"] = null_if_zero(peer.path_mtu);
  out["too_big"] = peer.too_big;
  return out;
}

json to_json(const std::vector<event_count>& events) {
  auto out = json::object();
  for (const auto& each : events)
    out[each.event] = each.count;
  return out;
}

json to_json(const std::vector<pool_use>& pools) {
  auto out = json::object();
  for (const auto& each : pools)
    out[each.pool] = {
      {"size", each.size}, {"used", each.used}, {"exhausted", each.exhausted}};
  return out;
}

json to_json(const access_report& access) {
  json out;
  out["operators"] = access.operators;
  out["viewers"] = access.viewers;
  out["refused"] = null_if_empty(access.refused);
  out["certificates"] = json::object();
  for (const auto& each : access.certificates)
    out["certificates"][each.file] = {
      {"name", each.name}, {"not_after", seconds_since_epoch(each.not_after)}};
  return out;
}

json to_json(const std::vector<host_item>& items) {
  auto out = json::array();
  for (const auto& item : items)
    out.push_back({{"kind", item.kind},
                   {"value", item.value},
                   {"in_place", item.in_place},
                   {"found", null_if_empty(item.found)}});
  return out;
}

json to_json(const core_use& cores) {
  return {{"in_use", cores.in_use},
          {"failed", cores.failed},
          {"shared", cores.is_shared},
          {"handed_over", cores.handed_over},
          {"without_place", cores.without_place},
          {"without_core", cores.without_core}};
}

json to_json(const device_status& status) {
  json out;
  out["interface"] = status.interface;
  out["version"] = status.version;
  out["started"] = seconds_since_epoch(status.started);
  out["link"] = status.link_up ? "up" : "down";
  out["addresses"] = to_json(status.addresses);
  out["routes"] = to_json(status.routes);
  out["host"] = to_json(status.host);
  out["public_key"]
    = status.public_key.is_zero() ? json() : json(to_string(status.public_key));
  out["listen_port"] = status.listen_port;
  out["fwmark"] = status.fwmark;
  out["mtu"] = status.mtu;
  out["remote_control"] = null_if_empty(status.remote_control);
  out["lock"] = null_if_empty(status.lock);
  out["access"] = to_json(status.access);
  out["drops"] = to_json(status.drops);
  out["events"] = to_json(status.events);
  out["events_lost"] = status.events_lost;
  out["pools"] = to_json(status.pools);
  out["send_queue"] = status.send_queue;
  out["offloads"] = offloads_json(status.offloads);
  out["cores"] = to_json(status.cores);
  out["bad_checksums"] = status.bad_checksums;
  out["network"] = network_json(status.network);
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
