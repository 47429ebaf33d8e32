#include "tools/weft/view/explain_text.hpp"

#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <system_error>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

void add_line(std::string& out, std::string title, const std::string& text) {
  title.resize(10, ' ');
  out += title + printable(text) + '\n';
}

std::string route_text(const route_facts& route) {
  if (route.error != 0)
    return "no route: " + std::generic_category().message(route.error);
  return "by " + route.link;
}

std::string handshake_text(const peer_facts& facts) {
  auto text = "last " + handshake_age(facts.peer, facts.now);
  if (!facts.tried)
    text += "; none was tried";
  else if (facts.answered)
    text += "; it answers";
  else
    text += "; no answer to the one that was tried now";
  return text;
}

std::string firewall_text(const firewall_facts& firewall) {
  if (!firewall.readable)
    return "the rules of nftables cannot be read, or there are none";
  if (firewall.refusals.empty())
    return "no rule of nftables was found that refuses these ports";
  return format_count(firewall.refusals.size(), "rule") + " in the way";
}

std::string echo_text(const echo_facts& echo) {
  if (!echo.answers)
    return "none from " + to_string(echo.from);
  return "from " + to_string(echo.from) + ", of up to "
         + std::to_string(echo.largest) + " bytes";
}

std::string other_text(const peer_facts& facts) {
  const auto& other = facts.other;
  if (!other)
    return facts.other_trouble.empty()
             ? "was not asked: --other says where it is"
             : "cannot be asked: " + facts.other_trouble;
  if (!other->about)
    return other->node.interface + " does not know this node";
  return other->node.interface + " says that we are "
         + std::string{to_string(other->about->state.word)};
}

void add_host(std::string& out, const peer_facts& facts) {
  if (!facts.host) {
    add_line(out, "host", "not looked at: the interface is not here");
    return;
  }
  const auto& host = *facts.host;
  if (host.to_endpoint && facts.peer.endpoint)
    add_line(out, "route",
             "to " + to_string(facts.peer.endpoint->address) + ' '
               + route_text(*host.to_endpoint));
  for (const auto& [prefix, route] : host.to_allowed)
    add_line(out, "route", "to " + to_string(prefix) + ' ' + route_text(route));
  add_line(out, "firewall", firewall_text(host.firewall));
  if (host.echo)
    add_line(out, "echo", echo_text(*host.echo));
}

} // namespace

bool is_well(const std::vector<finding>& found) {
  return std::all_of(found.begin(), found.end(),
                     [](const finding& one) { return one.hint; });
}

std::string
conclusion(const peer_facts& facts, const std::vector<finding>& found) {
  if (!is_well(found))
    return std::string{to_string(found.front().where)} + ": "
           + found.front().text;
  const auto label = peer_label(facts.peer);
  return facts.answered ? label + " answers, and nothing is wrong"
                        : "nothing was found that is wrong with " + label;
}

std::string
format_explanation(const peer_facts& facts, const std::vector<finding>& found) {
  const auto& peer = facts.peer;
  std::string out;
  add_line(out, "peer", peer_label(peer) + ' ' + to_string(peer.public_key));
  auto state = std::string{to_string(peer.state.word)};
  if (peer.state.tries > 0 && peer.state.reason.empty())
    state += ", " + std::to_string(peer.state.tries)
             + (peer.state.tries == 1 ? " try" : " tries");
  if (!peer.state.reason.empty())
    state += ": " + peer.state.reason;
  add_line(out, "state", state);
  add_line(out, "handshake", handshake_text(facts));
  add_line(out, "endpoint",
           peer.endpoint ? to_string(*peer.endpoint) : "not known");
  add_line(out, "traffic",
           format_bytes(peer.rx_bytes) + " received, "
             + format_bytes(peer.tx_bytes) + " sent");
  for (const auto& drop : peer.drops)
    add_line(out, "dropped", drop.reason + ' ' + std::to_string(drop.packets));
  add_host(out, facts);
  add_line(out, "other", other_text(facts));
  for (const auto& one : found)
    add_line(out, one.hint ? "hint" : "wrong",
             std::string{to_string(one.where)} + ": " + one.text);
  const auto last = printable(conclusion(facts, found));
  out += '\n' + last + (last.ends_with('?') ? "\n" : ".\n");
  return out;
}

std::string format_explanation_json(const peer_facts& facts,
                                    const std::vector<finding>& found) {
  const auto& peer = facts.peer;
  json out;
  out["peer"] = to_string(peer.public_key);
  out["name"] = null_if_empty(peer.name);
  out["state"] = to_string(peer.state.word);
  out["reason"] = null_if_empty(peer.state.reason);
  out["cause"] = null_if_empty(peer.state.cause);
  out["tries"] = peer.state.tries;
  out["endpoint"] = peer.endpoint ? json(to_string(*peer.endpoint)) : json();
  out["tried"] = facts.tried;
  out["answered"] = facts.answered;
  out["well"] = is_well(found);
  out["conclusion"] = conclusion(facts, found);
  out["findings"] = json::array();
  for (const auto& one : found) {
    json entry;
    entry["where"] = name_of(one.where);
    entry["hint"] = one.hint;
    entry["text"] = one.text;
    out["findings"].push_back(entry);
  }
  return to_text(out);
}

} // namespace weft
