// What this host does with the packets of a peer.
#pragma once

#include "platform/echo.hpp"
#include "tools/weft/explain/facts.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace weft {

/// Allowed IPs of a peer whose routes are looked at.
inline constexpr std::size_t most_routes = 64;

/// Nothing: the node's interface is not in this network namespace.
std::optional<host_facts>
look_at_host(const device_status& node, const peer_status& peer);

/// An address in the tunnel that is the peer's own: one of `known`, which the
/// node at the other end has, or an allowed IP that is no network.
std::optional<ip_address>
address_of(const peer_status& peer, const std::vector<ip_prefix>& known);

/// What answers_echo() does.
using echo_sender = std::function<result<bool>(
  const ip_address& to, std::size_t size, std::chrono::milliseconds)>;

/// Sends packets to `to` and looks which of them come back: of few bytes, of
/// `mtu`, and if that does not, some sizes in between, each up to three times.
/// Takes up to 15 s.  Nothing: this process may not, or has no route.
std::optional<echo_facts> try_echo(const ip_address& to, std::uint32_t mtu,
                                   const echo_sender& send = answers_echo);

} // namespace weft
