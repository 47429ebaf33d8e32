// What the host should be for an interface, as plain data: what follows from a
// configuration, and what of it a host lacks.
#pragma once

#include "config/peer_networks.hpp"
#include "platform/routing.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace weft {

/// Whether a mark, a table and rules are needed: all of the host's traffic goes
/// into the tunnel, but for the tunnel's own.  With a `table` of the
/// configuration, rules are for whoever chose it.
bool is_full_tunnel(const interface_config& interface,
                    const peer_networks& networks);

/// Whether the tunnel's own datagrams have to be told from the host's others:
/// by the rules of a full tunnel, or by the lock.
bool needs_mark(const interface_config& interface,
                const peer_networks& networks);

/// Where the rules and the table of a full tunnel are: a node's own, and the
/// same at its next start, so that what it left behind is known.
struct rule_place {
  std::uint32_t table = 0;
  std::uint32_t priority = 0; ///< of the first rule; the next one follows it

  bool operator==(const rule_place&) const = default;
};

/// The table follows from the interface's name; so does the priority, unless
/// another node has taken it.
rule_place
place_of(const std::string& interface, std::span<const routing_rule> present);

/// Those that a node with that place has made, whatever priority it had then.
std::vector<routing_rule>
rules_of(const rule_place& place, std::span<const routing_rule> present);

/// Of all nodes that have made rules, whether they run or not: each once.
std::vector<rule_place> places_in(std::span<const routing_rule> present);

/// A mark for the tunnel's own datagrams that no rule looks for: 0x10-0x7f,
/// since other programs give the higher bits a meaning.  It is of the same
/// sixteen as those of the host's other full tunnels, as rules of full tunnels
/// leave all of the sixteen alone.  0: all are taken.  Each place begins its
/// search at another one.
std::uint32_t
choose_mark(const rule_place& place, std::span<const routing_rule> present);

/// What a plan depends on besides the configuration.
struct plan_facts {
  rule_place place;
  std::uint32_t mtu = 0;    ///< in bytes
  std::uint32_t fwmark = 0; ///< of the tunnel's own datagrams
};

struct link_mtu {
  std::uint32_t bytes = 0;
  auto operator<=>(const link_mtu&) const = default;
};
struct link_is_up {
  auto operator<=>(const link_is_up&) const = default;
};
struct own_address {
  ip_prefix address; ///< with its host bits
  auto operator<=>(const own_address&) const = default;
};

/// A thing that is to be so.
using host_need
  = std::variant<link_mtu, own_address, link_is_up, host_route, routing_rule>;

/// In the order in which they can be made.
using host_plan = std::vector<host_need>;

host_plan make_plan(const interface_config& interface,
                    const peer_networks& networks, const plan_facts& facts);

/// A rule of another node that leads all traffic of a family into its tunnel,
/// as one of a plan does.
struct rival {
  routing_rule rule;
  bool comes_first = false;
  /// One of the tunnels takes the other's own datagrams.
  bool is_in_the_way = false;
};

/// Of the rules that a host has, and a plan that is carried out there.
std::vector<rival>
rivals_of(const host_plan& plan, std::span<const routing_rule> present);

/// Tables that the plan has routes in, ascending.
std::vector<std::uint32_t> tables_of(const host_plan& plan);

/// What a host has of what a plan may need.
struct host_state {
  std::uint32_t mtu = 0;
  bool is_up = false;
  std::vector<ip_prefix> addresses; ///< of the interface
  std::vector<host_route> routes;   ///< into it, or unreachable
  std::vector<routing_rule> rules;  ///< all

  /// Ascending, for lacks().
  void sort();
};

/// Whether `state`, which is sorted, lacks it.
bool lacks(const host_state& state, const host_need& need);

/// Those of `from` that `to` has not, in the order of `from`.
host_plan without(const host_plan& from, const host_plan& to);

/// `address`, `route`, `rule`, `mtu` or `link`
std::string_view kind_of(const host_need& need);
/// `10.0.0.1/24`, `1420`, `up`
std::string text_of(const host_need& need);
/// `the address 10.0.0.1/24`
std::string describe(const host_need& need);

} // namespace weft
