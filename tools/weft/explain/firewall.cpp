#include "tools/weft/explain/firewall.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace weft {

namespace {

using nlohmann::json;

/// A table's family and name, and a chain of it.
std::string chain_name(const json& of, const char* chain_key) {
  return of.value("family", "") + ' ' + of.value("table", "") + ' '
         + of.value(chain_key, "");
}

bool refuses(const json& expressions) {
  for (const auto& one : expressions)
    if (one.contains("drop") || one.contains("reject"))
      return true;
  return false;
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

/// Whether a rule asks for UDP datagrams with `port` in `field`.
bool asks_for(const json& expressions, const char* field, std::uint16_t port) {
  for (const auto& one : expressions) {
    const auto match = one.find("match");
    if (match == one.end() || match->value("op", "") != "==")
      continue;
    const auto left = match->value("left", json());
    if (!left.is_object() || !left.contains("payload"))
      continue;
    const auto& of = left.at("payload");
    if (of.value("protocol", "") == "udp" && of.value("field", "") == field
        && holds(match->value("right", json()), port))
      return true;
  }
  return false;
}

std::string
refusal(const std::string& chain, bool outward, std::uint16_t port) {
  return "nftables' chain " + chain + " refuses UDP "
         + (outward ? "to port " : "at port ") + std::to_string(port)
         + ": take the rule away";
}

/// Adds what the rule refuses.
void look_at(const json& rule, const std::string& hook, const port_pair& ports,
             firewall_facts& into) {
  const auto expressions = rule.value("expr", json::array());
  if (!refuses(expressions))
    return;
  const auto chain = chain_name(rule, "chain");
  if (hook == "output" && asks_for(expressions, "dport", ports.theirs))
    into.refusals.push_back(refusal(chain, true, ports.theirs));
  else if (hook == "input" && asks_for(expressions, "dport", ports.ours))
    into.refusals.push_back(refusal(chain, false, ports.ours));
}

struct pipe_closer {
  void operator()(FILE* pipe) const {
    ::pclose(pipe);
  }
};

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
    std::map<std::string, std::string> hooks;
    for (const auto& one : list)
      if (const auto chain = one.find("chain"); chain != one.end())
        hooks[chain_name(*chain, "name")] = chain->value("hook", "");
    for (const auto& one : list)
      if (const auto rule = one.find("rule"); rule != one.end())
        look_at(*rule, hooks[chain_name(*rule, "chain")], ports, facts);
  } catch (const json::exception&) {
    return {}; // of a version that says it otherwise
  }
  return facts;
}

firewall_facts ask_nftables(const port_pair& ports) {
  // Where root's programs are is not in everybody's path.
  const std::unique_ptr<FILE, pipe_closer> pipe{
    ::popen("PATH=$PATH:/usr/sbin:/sbin nft -j list ruleset 2>/dev/null", "r")};
  if (!pipe)
    return {};
  std::string text;
  std::array<char, 4096> part{};
  constexpr std::size_t most = std::size_t{64} << 20;
  while (text.size() < most) {
    const auto got = std::fread(part.data(), 1, part.size(), pipe.get());
    if (got == 0)
      break;
    text.append(part.data(), got);
  }
  return read_nftables(text, ports);
}

} // namespace weft
