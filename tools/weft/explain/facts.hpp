// What is known of a peer that somebody wants to have explained: plain data.
#pragma once

#include "config/device_status.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {

/// Where this host sends what is for an address.
struct route_facts {
  int error = 0; ///< errno; 0: there is a route
  std::string link;
  std::uint32_t mtu = 0; ///< of the link
};

/// What a firewall of this host does with datagrams to and from a peer, as far
/// as its rules can be read.
struct firewall_facts {
  bool readable = false;
  std::vector<std::string> refusals; ///< a sentence for each rule that does so
};

/// Which packets come back through the tunnel.
struct echo_facts {
  ip_address from;           ///< who was asked to send them back
  bool answers = false;      ///< small ones
  std::uint32_t largest = 0; ///< bytes of the largest, of some that were tried
};

/// Of the host that the node is on.
struct host_facts {
  bool link_up = false;
  std::optional<route_facts> to_endpoint; ///< nothing: none is known
  std::vector<std::pair<ip_prefix, route_facts>> to_allowed;
  firewall_facts firewall;
  std::optional<echo_facts> echo{}; ///< nothing: nobody was asked
};

/// What the node at the other end says.
struct other_facts {
  device_status node;               ///< without its peers
  std::optional<peer_status> about; ///< this node; nothing: it has no such peer
};

struct peer_facts {
  device_status node; ///< without its peers
  peer_status peer;
  bool tried = false;    ///< a handshake was begun to see what happens
  bool answered = false; ///< and completed
  wall_time now{};
  std::optional<host_facts> host; ///< nothing: the node is elsewhere
  std::optional<other_facts> other;
  std::string other_trouble; ///< why it could not be asked
};

} // namespace weft
