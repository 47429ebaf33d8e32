// The order of the checks is that of their weight: what keeps handshakes from
// being sent, what keeps them from being answered, what keeps packets from
// passing a session, and then what may be a trouble one day.
#include "tools/weft/explain/judge.hpp"

#include "config/interface_checks.hpp"
#include "protocol/tunnel/trouble_words.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/host_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>
#include <system_error>

namespace weft {

namespace {

/// What the header of an outer packet and those of its message take at most.
constexpr std::uint32_t overhead = 80;

struct examination {
  const peer_facts& facts;
  const peer_status& peer = facts.peer;
  std::string label = peer_label(peer);
  std::vector<finding> found{};

  void fault(side where, std::string text) {
    found.push_back({where, std::move(text)});
  }
  void hint(side where, std::string text) {
    found.push_back({where, std::move(text), true});
  }
  bool is_well() const {
    return facts.answered || (!facts.tried && peer.state.word == peer_word::up);
  }
};

bool is_host(const ip_prefix& prefix) {
  return prefix.length == prefix.address.bits();
}

bool covers(const std::vector<ip_prefix>& prefixes, const ip_address& address) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) {
    return prefix.contains(address);
  });
}

// -- what keeps handshakes from being sent -----------------------------------

void look_at_node(examination& now) {
  const auto& node = now.facts.node;
  if (node.public_key.is_zero())
    now.fault(side::here, "the node has no private key: give it one");
  else if (now.facts.host && !now.facts.host->link_up)
    now.fault(side::here, "the link "
                            + node.interface + " is down: ip link set "
                            + node.interface + " up");
}

void look_at_endpoint(examination& now) {
  if (!now.facts.host || !now.facts.host->to_endpoint || !now.peer.endpoint)
    return;
  const auto& route = *now.facts.host->to_endpoint;
  const auto where = to_string(now.peer.endpoint->address);
  if (route.error != 0)
    now.fault(side::here, "this host has no route to " + where + " ("
                            + std::generic_category().message(route.error)
                            + "): add one, or give the peer an endpoint that "
                              "can be reached");
  else if (route.link == now.facts.node.interface)
    now.fault(side::here, "the route to " + where + ", where " + now.label
                            + " is, leads into the tunnel itself (" + route.link
                            + "): take the address out of cluster_networks and "
                              "routes, or set fwmark and a rule for it");
}

// -- what keeps them from being answered -------------------------------------

void look_at_keys(examination& now) {
  if (!now.facts.other)
    return;
  const auto& there = *now.facts.other;
  if (there.node.public_key != now.peer.public_key)
    now.fault(side::here, "we know " + now.label + " by the key "
                            + to_string(now.peer.public_key)
                            + ", but its own is "
                            + to_string(there.node.public_key)
                            + ": one of the two is wrong");
  if (!there.about)
    now.fault(side::there, now.label + " does not know this node: add the key "
                             + to_string(now.facts.node.public_key) + " there");
}

void look_at_port(examination& now) {
  if (!now.facts.other || now.is_well() || !now.peer.endpoint)
    return;
  const auto listens = now.facts.other->node.listen_port;
  const auto asked = now.peer.endpoint->port;
  if (listens != asked)
    now.fault(side::between,
              "we send to port " + std::to_string(asked) + ", and " + now.label
                + " listens on " + std::to_string(listens)
                + ": unless something between forwards one to the other, mend "
                  "the endpoint");
}

void look_at_firewall(examination& now) {
  if (!now.facts.host)
    return;
  for (const auto& refusal : now.facts.host->firewall.refusals) {
    if (now.is_well())
      now.hint(side::here, refusal);
    else
      now.fault(side::here, refusal);
  }
}

void look_at_state(examination& now) {
  const auto& state = now.peer.state;
  if (!state.reason.empty())
    now.fault(side_of(state.cause), now.label + ": " + state.reason);
  if (now.facts.other && now.facts.other->about) {
    const auto& theirs = now.facts.other->about->state;
    // What is here for them is there for us.
    const auto where = side_of(theirs.cause);
    if (!theirs.reason.empty())
      now.fault(where == side::here    ? side::there
                : where == side::there ? side::here
                                       : where,
                now.label + " says of this node: " + theirs.reason);
  }
  if (now.is_well() || !now.found.empty())
    return;
  if (now.peer.endpoint)
    now.fault(
      side::between,
      "no answer from " + to_string(*now.peer.endpoint)
        + " within "
          "the time that was waited: is the other side running, does it "
          "know our key, do we know its own, and does a firewall let UDP "
          "through?");
  else
    now.fault(side::between,
              "nobody knows where " + now.label
                + " is: give it an endpoint, or wait until it begins");
}

// -- what keeps packets from passing -----------------------------------------

void look_at_addresses(examination& now) {
  std::vector<ip_address> ours;
  for (const auto& own : now.facts.node.addresses)
    ours.push_back(own.address);
  const auto is_ours = [&](const ip_address& address) {
    return std::find(ours.begin(), ours.end(), address) != ours.end();
  };
  const auto same = [&](const ip_address& address) {
    now.fault(side::both, to_string(address) + " is the address of both "
                            + now.facts.node.interface + " and " + now.label
                            + ": give each side its own");
  };
  if (now.facts.other) {
    for (const auto& theirs : now.facts.other->node.addresses)
      if (is_ours(theirs.address))
        same(theirs.address);
  } else {
    for (const auto& allowed : now.peer.allowed_ips)
      if (is_host(allowed) && is_ours(allowed.address))
        same(allowed.address);
  }
}

void look_at_allowed_ips(examination& now) {
  const auto& allowed = now.peer.allowed_ips;
  if (allowed.empty())
    now.fault(side::here, now.label
                            + " has no allowed IPs: nothing is sent to it, and "
                              "all that it sends is refused");
  if (!now.facts.other)
    return;
  const auto& there = *now.facts.other;
  for (const auto& theirs : there.node.addresses)
    if (!covers(allowed, theirs.address))
      now.fault(side::here, "the allowed IPs of " + now.label + " lack "
                              + to_string(theirs.address)
                              + ", which it sends from: add it");
  if (!there.about)
    return;
  for (const auto& own : now.facts.node.addresses)
    if (!covers(there.about->allowed_ips, own.address))
      now.fault(side::there, "the allowed IPs of this node at " + now.label
                               + " lack " + to_string(own.address)
                               + ", which we send from: add it there");
}

/// What the node has set up, and somebody has taken away.
void look_at_host_items(examination& now) {
  const auto& node = now.facts.node;
  if (!node.link_up)
    return; // what goes with the link comes with it
  for (const auto& item : node.host)
    if (!item.in_place)
      now.fault(side::here,
                host_trouble(item)
                  + (item.kind == "ipv6" || item.kind == "name"
                       ? ""
                       : ": weft reload puts it back; see the log for who or "
                         "what takes it away"));
}

bool lacks_route(const device_status& node) {
  return std::any_of(node.host.begin(), node.host.end(),
                     [](const host_item& item) {
                       return item.kind == "route" && !item.in_place;
                     });
}

void look_at_routes(examination& now) {
  if (!now.facts.host || lacks_route(now.facts.node))
    return;
  const auto& interface = now.facts.node.interface;
  for (const auto& [prefix, route] : now.facts.host->to_allowed) {
    if (route.error == 0 && route.link == interface)
      continue;
    now.fault(side::here, "no route leads " + to_string(prefix) + " into "
                            + interface + " ("
                            + (route.error != 0
                                 ? std::generic_category().message(route.error)
                                 : "it goes to " + route.link)
                            + "): add it to cluster_networks");
  }
}

void look_at_echo(examination& now) {
  if (!now.facts.host || !now.facts.host->echo)
    return;
  const auto& echo = *now.facts.host->echo;
  const auto mtu = now.facts.node.mtu;
  if (!echo.answers)
    now.hint(side::there, to_string(echo.from)
                            + " in the tunnel answers no echo request: does "
                            + now.label
                            + " have our addresses in its allowed IPs, and "
                              "does its firewall let ICMP pass?");
  else if (echo.largest < mtu)
    now.fault(side::between,
              "packets of " + std::to_string(mtu)
                + " bytes do not come back "
                  "from "
                + to_string(echo.from)
                + ", and smaller ones do: set "
                  "mtu to "
                + std::to_string(std::max(echo.largest, least_ipv6_mtu))
                + " on both sides");
}

// -- what may be a trouble ---------------------------------------------------

void look_at_clock(examination& now) {
  if (!now.peer.last_handshake || *now.peer.last_handshake <= now.facts.now)
    return;
  const auto by = std::chrono::ceil<std::chrono::seconds>(
    *now.peer.last_handshake - now.facts.now);
  if (by > std::chrono::seconds{5})
    now.hint(side::here, "the clock is " + format_age(by)
                           + " behind the last handshake: set it, or other "
                             "nodes may refuse this one's after a restart");
}

void look_at_mtu(examination& now) {
  if (!now.facts.host || !now.facts.host->to_endpoint)
    return;
  const auto& route = *now.facts.host->to_endpoint;
  const auto mtu = now.facts.node.mtu;
  if (route.error == 0
      && route.link != now.facts.node.interface && mtu + overhead > route.mtu
      && route.mtu > overhead)
    now.hint(side::here,
             "an MTU of " + std::to_string(mtu)
               + " in the tunnel makes packets "
                 "that "
               + route.link + " (" + std::to_string(route.mtu)
               + ") sends in fragments, which some networks drop: set mtu to "
               + std::to_string(route.mtu - overhead));
}

/// What somebody on the way says that it carries; anybody can forge it.
void look_at_path_mtu(examination& now) {
  constexpr std::uint32_t overhead_v4 = 60;
  const auto carries = now.peer.path_mtu;
  if (carries == 0 || !now.peer.endpoint)
    return;
  const auto more = now.peer.endpoint->address.is_v4() ? overhead_v4 : overhead;
  const auto mtu = now.facts.node.mtu;
  if (mtu + more > carries)
    now.hint(side::between,
             "somebody on the way to " + now.label + " says that it carries "
               + std::to_string(carries)
               + " bytes: larger datagrams arrive in fragments, or not at all; "
                 "set mtu to "
               + std::to_string(std::max(carries - more, least_ipv6_mtu))
               + " on both sides");
}

void look_at_checksums(examination& now) {
  const auto bad = now.facts.node.bad_checksums;
  if (bad > 0)
    now.hint(side::between,
             format_count(bad, "UDP datagram")
               + " came with a wrong checksum while the node's socket lost "
                 "some: the kernel or the card of a sender, which is not "
                 "known, mangles what leaves together; there, switch it off "
                 "(offloads.udp: off)");
}

} // namespace

std::string_view to_string(side where) {
  switch (where) {
    case side::here:
      return "on this side";
    case side::there:
      return "on the other side";
    case side::between:
      return "between the two";
    case side::both:
      return "on both sides";
  }
  return "unknown";
}

std::string_view name_of(side where) {
  switch (where) {
    case side::here:
      return "here";
    case side::there:
      return "there";
    case side::between:
      return "between";
    case side::both:
      return "both";
  }
  return "unknown";
}

side side_of(std::string_view trouble) {
  struct place {
    std::string_view trouble;
    side where;
  };
  static constexpr std::array places{
    place{cause::refused, side::there},
    place{cause::not_sent, side::here},
    place{cause::answer_not_opened, side::both},
    place{cause::answers_unused, side::both},
    place{cause::clock_behind, side::there},
    place{cause::wrong_key_used, side::there},
    place{cause::key_shared, side::there},
    place{cause::source_refused, side::here},
    place{cause::same_address, side::both},
    place{cause::not_resolved, side::here},
    place{cause::own_tunnel, side::here},
  };
  const auto found
    = std::find_if(places.begin(), places.end(),
                   [&](const place& one) { return one.trouble == trouble; });
  return found == places.end() ? side::between : found->where;
}

std::vector<finding> judge(const peer_facts& facts) {
  examination now{facts};
  look_at_node(now);
  look_at_endpoint(now);
  look_at_keys(now);
  look_at_port(now);
  look_at_firewall(now);
  look_at_state(now);
  look_at_addresses(now);
  look_at_allowed_ips(now);
  look_at_host_items(now);
  look_at_routes(now);
  look_at_echo(now);
  look_at_clock(now);
  look_at_mtu(now);
  look_at_path_mtu(now);
  look_at_checksums(now);
  std::stable_partition(now.found.begin(), now.found.end(),
                        [](const finding& one) { return !one.hint; });
  return std::move(now.found);
}

} // namespace weft
