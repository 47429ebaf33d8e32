#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/top_view.hpp"

#include <nlohmann/json.hpp>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

void add(json& to, const traffic& amount) {
  to["rx_bytes"] = amount.rx_bytes;
  to["tx_bytes"] = amount.tx_bytes;
  to["rx_rate"] = amount.rx_rate;
  to["tx_rate"] = amount.tx_rate;
}

} // namespace

std::string format_top_json(const top_summary& summary) {
  json out;
  out["interface"] = summary.interface;
  out["listen_port"] = summary.listen_port;
  out["mtu"] = summary.mtu;
  out["up"] = summary.up;
  add(out, summary.amount);
  out["drops"] = summary.drops;
  out["drop_rate"] = summary.drop_rate;
  out["peers"] = json::array();
  for (const auto* chosen : top_view{}.choose(summary.peers)) {
    const auto& peer = *chosen;
    json one;
    one["name"] = null_if_empty(peer.name);
    one["public_key"] = to_string(peer.public_key);
    one["endpoint"] = null_if_empty(peer.endpoint);
    one["state"] = to_string(peer.state.word);
    one["reason"] = null_if_empty(peer.state.reason);
    one["cause"] = null_if_empty(peer.state.cause);
    one["tries"] = peer.state.tries;
    one["handshake_age"] = peer.age ? json(peer.age->count()) : json();
    add(one, peer.amount);
    out["peers"].push_back(std::move(one));
  }
  return to_line(out);
}

} // namespace weft
