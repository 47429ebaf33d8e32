#include "tools/weft/explain/firewall.hpp"

#include "actors/host/lock_keeper.hpp"
#include "platform/firewall.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>

namespace weft {

namespace {

using nlohmann::json;

/// A table's family and name, and a chain of it.
std::string chain_name(const json& of, const char* chain_key) {
  return of.value("family", "") + ' ' + of.value("table", "") + ' '
         + of.value(chain_key, "");
}

using kinds = std::initializer_list<const char*>;

bool is_one_of(const json& expression, kinds wanted) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const char* kind) {
    return expression.contains(kind);
  });
}

bool has_one_of(const json& expressions, kinds wanted) {
  return std::any_of(expressions.begin(), expressions.end(),
                     [&](const json& one) { return is_one_of(one, wanted); });
}

/// Whether the value of a match is this port, or holds it.
bool holds(const json& value, std::uint16_t port) {
  if (value.is_number_unsigned())
    return value.get<std::uint64_t>() == port;
  if (!value.is_object())
    return false;
  if (const auto set = value.find("set"); set != value.end() && set->is_array())
    for (const auto& one : *set)
      if (holds(one, port))
        return true;
  if (const auto range = value.find("range");
      range != value.end() && range->is_array() && range->size() == 2
      && range->at(0).is_number_unsigned() && range->at(1).is_number_unsigned())
    return range->at(0).get<std::uint64_t>() <= port
           && port <= range->at(1).get<std::uint64_t>();
  return false;
}

/// Whether an expression asks for UDP datagrams to `port`.
bool asks_for(const json& expression, std::uint16_t port) {
  const auto match = expression.find("match");
  if (match == expression.end() || match->value("op", "") != "==")
    return false;
  const auto left = match->value("left", json());
  if (!left.is_object() || !left.contains("payload"))
    return false;
  const auto& of = left.at("payload");
  return of.value("protocol", "") == "udp" && of.value("field", "") == "dport"
         && holds(match->value("right", json()), port);
}

/// Whether a rule refuses all datagrams to `port`: it asks for nothing else.
bool refuses(const json& expressions, std::uint16_t port) {
  bool asks = false;
  for (const auto& one : expressions) {
    if (asks_for(one, port))
      asks = true;
    else if (!is_one_of(one, {"counter", "log", "drop", "reject"}))
      return false;
  }
  return asks && has_one_of(expressions, {"drop", "reject"});
}

/// Whether a rule keeps datagrams to `port`, or some of them, from the rules
/// behind it.
bool lets_pass(const json& expressions, std::uint16_t port) {
  if (!has_one_of(expressions, {"match"}))
    return has_one_of(expressions, {"accept", "return"});
  return has_one_of(expressions, {"accept", "return", "jump", "goto"})
         && std::any_of(expressions.begin(), expressions.end(),
                        [&](const json& one) { return asks_for(one, port); });
}

std::string
refusal_of_chain(const std::string& chain, bool outward, std::uint16_t port) {
  return "nftables' chain " + chain + " refuses UDP "
         + (outward ? "to port " : "at port ") + std::to_string(port)
         + ": take the rule away";
}

struct chain_state {
  std::string hook;
  bool lets_pass = false; ///< a rule above the one that is looked at
};

/// Adds what the rule refuses.
void look_at(const json& rule, chain_state& chain, const port_pair& ports,
             firewall_facts& into) {
  const bool outward = chain.hook == "output";
  if (!outward && chain.hook != "input")
    return;
  const auto port = outward ? ports.theirs : ports.ours;
  const auto expressions = rule.value("expr", json::array());
  if (lets_pass(expressions, port))
    chain.lets_pass = true;
  else if (!chain.lets_pass && refuses(expressions, port))
    into.refusals.push_back(
      refusal_of_chain(chain_name(rule, "chain"), outward, port));
}

} // namespace

firewall_facts read_nftables(std::string_view text, const port_pair& ports) {
  firewall_facts facts;
  const auto all = json::parse(text, nullptr, false);
  const auto list
    = all.is_object() ? all.value("nftables", json::array()) : json::array();
  if (list.empty())
    return facts;
  facts.readable = true;
  try {
    std::map<std::string, chain_state> chains;
    for (const auto& one : list)
      if (const auto chain = one.find("chain"); chain != one.end())
        chains[chain_name(*chain, "name")].hook = chain->value("hook", "");
    for (const auto& one : list)
      if (const auto rule = one.find("rule"); rule != one.end())
        look_at(*rule, chains[chain_name(*rule, "chain")], ports, facts);
  } catch (const json::exception&) {
    return {}; // of a version that says it otherwise
  }
  return facts;
}

namespace {

std::string
refusal_of_lock(const std::string& locked, const std::string& interface) {
  return "the lock of " + locked + " lets nothing leave by "
         + interface + ": run 'weft unlock " + locked + "'";
}

} // namespace

firewall_facts
ask_nftables(const std::string& interface, const port_pair& ports) {
  auto filter = firewall::open();
  const auto listed
    = filter ? filter->ruleset_as_json() : tl::unexpected(filter.error());
  auto facts = listed ? read_nftables(*listed, ports) : firewall_facts{};
  if (const auto locked = locked_interfaces())
    for (const auto& name : *locked)
      if (name != interface)
        facts.refusals.push_back(refusal_of_lock(name, interface));
  return facts;
}

} // namespace weft
