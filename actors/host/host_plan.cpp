#include "actors/host/host_plan.hpp"

#include "protocol/base/digest.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

namespace weft {

namespace {

constexpr std::uint32_t whole_mark = 0xffffffff;

// Tables and priorities of full tunnels.  wg-quick takes table 51820, and
// priorities just below the main table's, 32766; what programs have at lower
// ones than these comes first.
constexpr std::uint32_t first_table = 518'200'000;
constexpr std::uint32_t most_tables = 1U << 24U;
constexpr std::uint32_t first_priority = 20'000;
constexpr std::uint32_t pairs = 4096; ///< of rules

// Marks that are chosen are those of one group, which all full tunnels of a
// host share: their rules look at the group alone, so that none of them takes
// the datagrams of another one.  Other programs like the lowest marks.
constexpr std::uint32_t group_size = 0x10;
constexpr std::uint32_t group_mask = ~(group_size - 1);
constexpr std::uint32_t last_group = 0x70;
constexpr std::uint32_t marks_to_choose = 0x7f; ///< and bits of them

std::uint32_t number_of(const std::string& interface) {
  constexpr std::size_t digits = 8;
  constexpr int hexadecimal = 16;
  text_digest digest;
  digest.add(interface);
  return static_cast<std::uint32_t>(
    std::stoul(digest.text().substr(0, digits), nullptr, hexadecimal));
}

bool is_own_table(std::uint32_t table) {
  return table >= first_table && table < first_table + most_tables;
}

/// Whether the rule leads what is not the tunnel's own into a full tunnel.
bool is_way_into_tunnel(const routing_rule& rule) {
  return rule.protocol == routing_rule::own_protocol && rule.inverted
         && is_own_table(rule.table);
}

/// Whether a rule of another program looks for some of the marks that are like
/// `mark` in the bits of `mask`.  One that looks at none of `bits` does not
/// tell us from others.
bool looks_for(const routing_rule& rule, std::uint32_t mark, std::uint32_t mask,
               std::uint32_t bits = marks_to_choose) {
  return !is_way_into_tunnel(rule) && (rule.fwmask & bits) != 0
         && (mark & rule.fwmask & mask) == (rule.fwmark & rule.fwmask & mask);
}

bool covers(const ip_prefix& outer, const ip_prefix& inner) {
  return outer.address.family == inner.address.family
         && outer.length <= inner.length && outer.contains(inner.address);
}

/// Collects a plan: each need once.
class planner {
public:
  planner(const interface_config& interface, const peer_networks& networks,
          const plan_facts& facts)
    : interface_(interface), networks_(networks), facts_(facts) {
  }

  host_plan make() {
    plan_.emplace_back(link_mtu{facts_.mtu});
    for (const auto& address : interface_.addresses)
      plan_.emplace_back(own_address{address});
    plan_.emplace_back(link_is_up{});
    for (const auto& network : interface_.cluster_networks)
      lead(network.network(), table());
    for (const auto& network : networks_.allowed)
      if (!comes_with_address(network))
        lead(network, table());
    add_everything();
    return std::move(plan_);
  }

private:
  std::uint32_t table() const {
    return interface_.table == 0 ? main_table : interface_.table;
  }

  /// As wg-quick does it.  The route of an address is in the main table.
  bool comes_with_address(const ip_prefix& network) const {
    return table() == main_table
           && std::ranges::any_of(interface_.addresses, [&](const auto& own) {
                return covers(own.network(), network);
              });
  }

  void lead(const ip_prefix& network, std::uint32_t table) {
    add({network, table, interface_.metric});
  }

  void add(const host_route& route) {
    if (routes_.insert(route).second)
      plan_.emplace_back(route);
  }

  void add_everything() {
    const bool full = is_full_tunnel(interface_, networks_);
    const auto into = full ? facts_.place.table : table();
    for (const auto family : {ip_family::v4, ip_family::v6}) {
      if (networks_.all.of(family))
        lead(everything(family), into);
      if (full && interface_.kill_switch)
        add({everything(family), into, last_metric, true});
    }
    if (!full)
      return;
    for (const auto family : {ip_family::v4, ip_family::v6})
      if (interface_.kill_switch || networks_.all.of(family))
        add_rules(family);
  }

  /// The main table's routes that are more specific than a default one, and
  /// then our own table, but for the tunnel's own datagrams.
  void add_rules(ip_family family) {
    routing_rule other{family, facts_.place.priority};
    other.suppress_prefixlength = 0;
    routing_rule own{family, facts_.place.priority + 1, facts_.place.table,
                     facts_.fwmark,
                     interface_.fwmark == 0 ? group_mask : whole_mark};
    own.inverted = true;
    plan_.emplace_back(other);
    plan_.emplace_back(own);
  }

  const interface_config& interface_;
  const peer_networks& networks_;
  const plan_facts& facts_;
  std::set<host_route> routes_;
  host_plan plan_;
};

template <class... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
overloaded(Cases...) -> overloaded<Cases...>;

/// A metric that is not configured may be any.
bool has_route(const host_state& state, const host_route& wanted) {
  const auto [first, last]
    = std::equal_range(state.routes.begin(), state.routes.end(), wanted,
                       [](const host_route& a, const host_route& b) {
                         return std::tie(a.network, a.table)
                                < std::tie(b.network, b.table);
                       });
  return std::any_of(first, last, [&](const host_route& found) {
    return found.unreachable == wanted.unreachable
           && (wanted.metric == 0 || wanted.metric == found.metric);
  });
}

/// One of a group that no rule looks for; 0: there is none.
std::uint32_t free_mark_of(std::uint32_t group, const rule_place& place,
                           std::span<const routing_rule> present) {
  for (std::uint32_t i = 0; i < group_size; ++i) {
    const auto mark = group + (place.table + i) % group_size;
    const auto is_taken = [&](const routing_rule& rule) {
      return is_way_into_tunnel(rule) ? rule.fwmark == mark
                                      : looks_for(rule, mark, whole_mark);
    };
    if (std::ranges::none_of(present, is_taken))
      return mark;
  }
  return 0;
}

} // namespace

bool is_full_tunnel(const interface_config& interface,
                    const peer_networks& networks) {
  return interface.table == 0 && networks.all.any();
}

bool needs_mark(const interface_config& interface,
                const peer_networks& networks) {
  return interface.kill_switch || is_full_tunnel(interface, networks);
}

rule_place
place_of(const std::string& interface, std::span<const routing_rule> present) {
  const auto number = number_of(interface);
  rule_place place{first_table + number % most_tables, 0};
  const auto is_taken = [&](std::uint32_t priority) {
    return std::ranges::any_of(present, [&](const routing_rule& rule) {
      return rule.protocol == routing_rule::own_protocol
             && rule.priority == priority + 1 && is_own_table(rule.table)
             && rule.table != place.table;
    });
  };
  for (std::uint32_t i = 0; i < pairs; ++i) {
    place.priority = first_priority + 2 * ((number + i) % pairs);
    if (!is_taken(place.priority))
      break;
  }
  return place;
}

std::vector<routing_rule>
rules_of(const rule_place& place, std::span<const routing_rule> present) {
  const auto is_ours = [](const routing_rule& rule) {
    return rule.protocol == routing_rule::own_protocol;
  };
  std::set<std::uint32_t> priorities{place.priority};
  for (const auto& rule : present)
    if (is_ours(rule) && rule.table == place.table)
      priorities.insert(rule.priority - 1);
  std::vector<routing_rule> made;
  std::ranges::copy_if(present, std::back_inserter(made),
                       [&](const routing_rule& rule) {
                         return is_ours(rule)
                                && (rule.table == place.table
                                    || (rule.table == main_table
                                        && priorities.contains(rule.priority)));
                       });
  return made;
}

std::vector<rule_place> places_in(std::span<const routing_rule> present) {
  std::vector<rule_place> places;
  for (const auto& rule : present)
    if (rule.protocol == routing_rule::own_protocol && is_own_table(rule.table)
        && std::ranges::find(places, rule.table, &rule_place::table)
             == places.end())
      places.push_back({rule.table, rule.priority - 1});
  return places;
}

std::uint32_t
choose_mark(const rule_place& place, std::span<const routing_rule> present) {
  const auto choose_from
    = [&](std::uint32_t group) { return free_mark_of(group, place, present); };
  for (const auto& rule : present)
    if (is_way_into_tunnel(rule) && rule.fwmask == group_mask)
      if (const auto mark = choose_from(rule.fwmark & group_mask); mark != 0)
        return mark;
  // At last one of which a rule looks for some marks, if it does so by bits
  // that all groups have: its packets have those of a group hardly as well.
  for (const auto bits : {marks_to_choose, marks_to_choose & group_mask})
    for (auto group = last_group; group != 0; group -= group_size)
      if (std::ranges::none_of(present, [&](const routing_rule& rule) {
            return looks_for(rule, group, group_mask, bits);
          }))
        if (const auto mark = choose_from(group); mark != 0)
          return mark;
  return 0;
}

std::vector<rival>
rivals_of(const host_plan& plan, std::span<const routing_rule> present) {
  std::vector<rival> rivals;
  for (const auto& need : plan) {
    const auto* own = std::get_if<routing_rule>(&need);
    if (own == nullptr || !is_way_into_tunnel(*own))
      continue;
    for (const auto& rule : present) {
      if (!is_way_into_tunnel(rule) || rule.family != own->family
          || rule.table == own->table)
        continue;
      const auto passes = [](const routing_rule& by, std::uint32_t mark) {
        return ((by.fwmark ^ mark) & by.fwmask) == 0;
      };
      rivals.push_back(
        {rule, rule.priority < own->priority,
         !passes(rule, own->fwmark) || !passes(*own, rule.fwmark)});
    }
  }
  return rivals;
}

host_plan make_plan(const interface_config& interface,
                    const peer_networks& networks, const plan_facts& facts) {
  return planner{interface, networks, facts}.make();
}

std::vector<std::uint32_t> tables_of(const host_plan& plan) {
  std::set<std::uint32_t> tables;
  for (const auto& need : plan)
    if (const auto* route = std::get_if<host_route>(&need))
      tables.insert(route->table);
  return {tables.begin(), tables.end()};
}

void host_state::sort() {
  std::ranges::sort(addresses);
  std::ranges::sort(routes);
  std::ranges::sort(rules);
}

bool lacks(const host_state& state, const host_need& need) {
  return !std::visit(
    overloaded{
      [&](const link_mtu& mtu) { return state.mtu == mtu.bytes; },
      [&](const own_address& own) {
        return std::ranges::binary_search(state.addresses, own.address);
      },
      [&](const link_is_up&) { return state.is_up; },
      [&](const host_route& route) { return has_route(state, route); },
      [&](const routing_rule& rule) {
        return std::ranges::binary_search(state.rules, rule);
      },
    },
    need);
}

host_plan without(const host_plan& from, const host_plan& to) {
  const std::set<host_need> kept{to.begin(), to.end()};
  host_plan rest;
  std::ranges::copy_if(from, std::back_inserter(rest),
                       [&](const host_need& need) {
                         return !kept.contains(need);
                       });
  return rest;
}

std::string_view kind_of(const host_need& need) {
  return std::visit(overloaded{
                      [](const link_mtu&) { return "mtu"; },
                      [](const own_address&) { return "address"; },
                      [](const link_is_up&) { return "link"; },
                      [](const host_route&) { return "route"; },
                      [](const routing_rule&) { return "rule"; },
                    },
                    need);
}

std::string text_of(const host_need& need) {
  return std::visit(
    overloaded{
      [](const link_mtu& mtu) { return std::to_string(mtu.bytes); },
      [](const own_address& own) { return to_string(own.address); },
      [](const link_is_up&) { return std::string{"up"}; },
      [](const host_route& route) { return to_string(route); },
      [](const routing_rule& rule) { return to_string(rule); },
    },
    need);
}

std::string describe(const host_need& need) {
  if (std::holds_alternative<link_mtu>(need))
    return "the MTU " + text_of(need);
  return "the " + std::string{kind_of(need)} + " " + text_of(need);
}

} // namespace weft
