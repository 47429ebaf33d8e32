#include "config/warnings.hpp"

#include "config/fields.hpp"
#include "config/full_tunnel.hpp"
#include "config/interface_checks.hpp"
#include "config/metrics_checks.hpp"

#include <algorithm>
#include <array>

namespace weft {

namespace {

/// Networks that nobody has an address in.
struct special_network {
  std::string_view prefix;
  std::string_view what;
};

constexpr std::array<special_network, 6> special_networks{{
  {"224.0.0.0/4", "a multicast address"},
  {"ff00::/8", "a multicast address"},
  {"127.0.0.0/8", "a loopback address"},
  {"::1/128", "a loopback address"},
  {"0.0.0.0/8", "an address of no host"},
  {"::/128", "an address of no host"},
}};

template <auto Member>
std::string key_of(const std::string& section) {
  return section + '.' + std::string{row_of<Member>().name};
}

std::string at(const std::string& list, std::size_t index) {
  return list + '[' + std::to_string(index) + ']';
}

std::string peer_at(std::size_t index) {
  return at("peers", index);
}

bool lies_in(const ip_prefix& inner, const ip_prefix& outer) {
  return inner.address.family == outer.address.family
         && inner.length >= outer.length && outer.contains(inner.address);
}

/// What the kernel sends into the tunnel.
std::vector<ip_prefix> routes_of(const interface_config& interface) {
  auto routes = interface.cluster_networks;
  for (const auto& address : interface.addresses)
    routes.push_back(address.network());
  return routes;
}

/// The half of a network with the other value in the bit behind its length.
std::array<ip_prefix, 2> halves_of(const ip_prefix& whole) {
  std::array<ip_prefix, 2> halves{whole, whole};
  for (auto& half : halves)
    ++half.length;
  auto& byte = halves[1].address.bytes.at(whole.length / 8U);
  byte |= std::byte{0x80} >> (whole.length % 8U);
  return halves;
}

bool is_routed(const ip_prefix& prefix, std::span<const ip_prefix> routes) {
  const auto holds
    = [&](const ip_prefix& route) { return lies_in(prefix, route); };
  if (std::any_of(routes.begin(), routes.end(), holds))
    return true;
  // Several routes may lead to it together.
  std::vector<ip_prefix> within;
  for (const auto& route : routes)
    if (lies_in(route, prefix))
      within.push_back(route);
  if (within.size() < 2)
    return false;
  const auto halves = halves_of(prefix);
  return is_routed(halves[0], within) && is_routed(halves[1], within);
}

class finder {
public:
  explicit finder(const node_config& config)
    : config_(config), routes_(routes_of(config.interface)) {
    const bool automatic = config.interface.routes == route_mode::automatic;
    const auto whole = full_tunnel_of(config);
    if (whole.v4)
      led_.push_back(*parse_ip_prefix("0.0.0.0/0"));
    if (whole.v6)
      led_.push_back(*parse_ip_prefix("::/0"));
    for (const auto& peer : config.peers) {
      for (const auto& allowed : peer.allowed_ips)
        if (automatic && allowed.length > 0)
          routes_.push_back(allowed);
    }
  }

  std::vector<field_error> find() {
    check_addresses();
    check_default_routes();
    check_lock();
    check_directories();
    check_mtu();
    for (std::size_t i = 0; i < config_.peers.size(); ++i) {
      check_rules(config_.peers[i], peer_at(i));
      check_families(config_.peers[i], peer_at(i));
      check_endpoint(config_.peers[i], peer_at(i));
      check_allowed_ips(config_.peers[i], peer_at(i));
    }
    if (auto message = metrics_warning(config_.metrics))
      warn("metrics.listen", std::move(*message));
    return std::move(found_);
  }

private:
  void warn(std::string field, std::string message) {
    found_.push_back({std::move(field), std::move(message)});
  }

  void check_addresses() {
    const auto key = key_of<&interface_config::addresses>("interface");
    const auto& own = config_.interface.addresses;
    for (std::size_t i = 0; i < own.size(); ++i)
      for (const auto& [prefix, what] : special_networks)
        if (parse_ip_prefix(prefix)->contains(own[i].address))
          warn(at(key, i), to_string(own[i].address) + " is "
                             + std::string{what}
                             + "; an address of this node is expected");
  }

  void check_default_routes() {
    const auto key = key_of<&interface_config::cluster_networks>("interface");
    const auto& networks = config_.interface.cluster_networks;
    for (std::size_t i = 0; i < networks.size(); ++i)
      if (networks[i].length == 0)
        warn(at(key, i),
             to_string(networks[i])
               + " is a default route: a host that has one refuses another, "
                 "and the tunnel's own packets would go into the tunnel; name "
                 "the networks of the overlay, and set default_route: true at "
                 "the peer that all other traffic is to go to");
  }

  /// A lock that lets everything out, or nothing in.
  void check_lock() {
    const auto& interface = config_.interface;
    const auto key = key_of<&interface_config::kill_switch_allow>("interface");
    const auto& allowed = interface.kill_switch_allow;
    if (!allowed.empty() && !interface.kill_switch)
      warn(key, "it means nothing without kill_switch: true");
    for (std::size_t i = 0; i < allowed.size(); ++i)
      if (allowed[i].length == 0)
        warn(at(key, i), to_string(allowed[i])
                           + " lets everything out beside the tunnel; name the "
                             "networks that may be reached");
    if (interface.kill_switch && led_.empty() && interface.table == 0)
      warn(key_of<&interface_config::kill_switch>("interface"),
           "nothing leaves but through the tunnel, and no peer has "
           "default_route: the host is cut off from all that allowed_ips and "
           "kill_switch_allow do not name");
  }

  /// They are asked before there is a tunnel, and the lock refuses it.
  void check_directories() {
    const auto& interface = config_.interface;
    if (!interface.kill_switch)
      return;
    const auto key = std::string{"network.directories"};
    const auto& directories = config_.network.directories;
    for (std::size_t i = 0; i < directories.size(); ++i) {
      const auto address = parse_ip_address(directories[i].host);
      const auto holds = [&](const ip_prefix& allowed) {
        return address && allowed.contains(*address);
      };
      if (!std::any_of(interface.kill_switch_allow.begin(),
                       interface.kill_switch_allow.end(), holds))
        warn(at(key, i),
             "the lock (kill_switch) lets no connection to "
               + directories[i].host
               + " out beside the tunnel: give its address, and add that to "
                 "interface.kill_switch_allow");
    }
  }

  /// What the interface itself needs of IPv6 is checked with it.
  void check_mtu() {
    const auto mtu = config_.interface.mtu;
    const auto is_v6
      = [](const ip_prefix& prefix) { return !prefix.address.is_v4(); };
    if (mtu != automatic_mtu && mtu < least_ipv6_mtu
        && (std::any_of(routes_.begin(), routes_.end(), is_v6)
            || std::any_of(led_.begin(), led_.end(), is_v6)))
      warn(key_of<&interface_config::mtu>("interface"),
           std::to_string(mtu)
             + " is too small for IPv6, so that the peers' IPv6 networks "
               "cannot be routed into the tunnel; "
             + std::to_string(least_ipv6_mtu) + " or more is expected");
  }

  /// Whoever chooses the table of a default route leads packets to it, too.
  void check_rules(const peer_config& peer, const std::string& section) {
    constexpr std::uint32_t main_table = 254; // <linux/rtnetlink.h>
    const auto table = config_.interface.table;
    if (peer.default_route && table == main_table)
      warn(key_of<&peer_config::default_route>(section),
           "with interface.table the route goes to the main table: a host that "
           "has a default route refuses another, and the tunnel's own packets "
           "would go into the tunnel; leave that key out, and weft makes a "
           "table and the rules");
    else if (peer.default_route && table != 0)
      warn(key_of<&peer_config::default_route>(section),
           "with interface.table the route goes to table "
             + std::to_string(table)
             + ", and rules that lead there, and the tunnel's own packets past "
               "it, are left to you; without that key weft makes them");
  }

  /// As allowed IPs of one family say that the other is not meant.
  void check_families(const peer_config& peer, const std::string& section) {
    const auto all = full_tunnel_of(config_);
    if (!peer.default_route || all.v4 == all.v6
        || config_.interface.kill_switch)
      return;
    warn(key_of<&peer_config::allowed_ips>(section),
         std::string{all.v4 ? "IPv4" : "IPv6"}
           + " alone goes into the tunnel, and "
           + (all.v4 ? "IPv6 leaves beside it: add ::/0"
                     : "IPv4 leaves beside it: add 0.0.0.0/0")
           + ", leave both out, or set kill_switch");
  }

  /// Handshakes to it would go into the tunnel that they are to make.
  void check_endpoint(const peer_config& peer, const std::string& section) {
    const auto where = numeric_of(peer.endpoint);
    if (!where)
      return;
    for (const auto& route : routes_) {
      if (!route.contains(where->address))
        continue;
      warn(key_of<&peer_config::endpoint>(section),
           to_string(where->address) + " lies in " + to_string(route)
             + ", which is routed into the tunnel, so that its packets would "
               "never leave the host; an address outside of cluster_networks, "
               "of the interface's own networks and of what `routes: auto` "
               "leads into the tunnel is expected");
      return;
    }
  }

  void check_allowed_ips(const peer_config& peer, const std::string& section) {
    const auto key = key_of<&peer_config::allowed_ips>(section);
    for (std::size_t i = 0; i < peer.allowed_ips.size(); ++i) {
      const auto& allowed = peer.allowed_ips[i];
      for (auto& sentence :
           find_unrouted(config_.interface, std::span{&allowed, 1}, led_))
        warn(at(key, i), std::move(sentence));
      check_own_address(allowed, at(key, i));
    }
  }

  /// A hub stands for the whole network that this node has an address in, but
  /// nobody for a part of it with that address.
  void check_own_address(const ip_prefix& allowed, const std::string& field) {
    for (const auto& own : config_.interface.addresses) {
      const bool is_part
        = allowed.length > own.length || allowed.length == own.address.bits();
      if (is_part && allowed.contains(own.address))
        warn(field, to_string(allowed) + " holds " + to_string(own.address)
                      + ", which is this node's own address: what comes from "
                        "there cannot be answered; an address of the peer is "
                        "expected");
    }
  }

  const node_config& config_;
  std::vector<ip_prefix> routes_; ///< but for default routes
  std::vector<ip_prefix> led_;    ///< into the tunnel by rules
  std::vector<field_error> found_;
};

} // namespace

std::vector<field_error> find_warnings(const node_config& config) {
  return finder{config}.find();
}

std::vector<std::string> find_unrouted(const interface_config& interface,
                                       std::span<const ip_prefix> prefixes,
                                       std::span<const ip_prefix> more) {
  std::vector<std::string> sentences;
  if (interface.routes == route_mode::automatic)
    return sentences;
  auto routes = routes_of(interface);
  routes.insert(routes.end(), more.begin(), more.end());
  for (const auto& prefix : prefixes) {
    if (is_routed(prefix, routes))
      continue;
    const auto part
      = std::find_if(routes.begin(), routes.end(),
                     [&](const auto& route) { return lies_in(route, prefix); });
    if (part == routes.end())
      sentences.push_back("no route leads to " + to_string(prefix)
                          + ": add it to interface.cluster_networks");
    else if (prefix.length > 0) // of the whole Internet, a part is meant
      sentences.push_back("of " + to_string(prefix) + " a route leads to "
                          + to_string(*part)
                          + " only: add the rest to "
                            "interface.cluster_networks");
  }
  return sentences;
}

} // namespace weft
