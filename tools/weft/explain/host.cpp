#include "tools/weft/explain/host.hpp"

#include "platform/links.hpp"
#include "platform/network.hpp"
#include "tools/weft/explain/firewall.hpp"

#include <algorithm>
#include <array>

namespace weft {

namespace {

route_facts route_to(const ip_address& where, std::uint32_t fwmark) {
  route_facts facts;
  const auto found = find_route(where, {}, fwmark);
  if (!found) {
    facts.error = found.error().code;
    return facts;
  }
  if (const auto link = find_link(found->interface_index)) {
    facts.link = link->name;
    facts.mtu = link->mtu;
  }
  return facts;
}

/// An address within a prefix that stands for a host.
ip_address host_in(const ip_prefix& prefix) {
  if (prefix.length == 0)
    return *parse_ip_address(prefix.address.is_v4() ? "192.0.2.1"
                                                    : "2001:db8::1");
  auto address = prefix.network().address;
  if (prefix.length < prefix.address.bits())
    address.bytes.at(address.size() - 1) |= std::byte{1};
  return address;
}

/// Of the whole Internet, a part is meant, unless the node has a default route.
bool should_lead_here(const ip_prefix& allowed, const device_status& node) {
  return allowed.length > 0
         || std::find(node.routes.begin(), node.routes.end(), allowed)
              != node.routes.end();
}

/// Whether a packet of this size comes back, one of several: any way may lose
/// one.
result<bool>
comes_back(const ip_address& to, std::size_t size, const echo_sender& send) {
  constexpr int most_tries = 3;
  constexpr std::chrono::milliseconds patience{1000};
  result<bool> answered = false;
  for (int i = 0; i < most_tries && answered && !*answered; ++i)
    answered = send(to, size, patience);
  return answered;
}

} // namespace

std::optional<host_facts>
look_at_host(const device_status& node, const peer_status& peer) {
  const auto link = find_link(node.interface);
  if (!link)
    return std::nullopt;
  host_facts facts;
  facts.link_up = link->up;
  if (peer.endpoint)
    facts.to_endpoint = route_to(peer.endpoint->address, node.fwmark);
  for (const auto& allowed : peer.allowed_ips) {
    if (facts.to_allowed.size() == most_routes)
      break;
    if (!should_lead_here(allowed, node))
      continue;
    const auto host = host_in(allowed);
    const auto is_ours
      = std::any_of(node.addresses.begin(), node.addresses.end(),
                    [&](const ip_prefix& own) { return own.address == host; });
    if (!is_ours)
      facts.to_allowed.emplace_back(allowed, route_to(host, 0));
  }
  facts.firewall = ask_nftables(
    node.interface,
    {node.listen_port, peer.endpoint ? peer.endpoint->port : std::uint16_t{0}});
  return facts;
}

std::optional<ip_address>
address_of(const peer_status& peer, const std::vector<ip_prefix>& known) {
  const auto is_allowed = [&](const ip_prefix& own) {
    return std::any_of(peer.allowed_ips.begin(), peer.allowed_ips.end(),
                       [&](const ip_prefix& allowed) {
                         return allowed.contains(own.address);
                       });
  };
  for (const auto& own : known)
    if (is_allowed(own))
      return own.address;
  for (const auto& allowed : peer.allowed_ips)
    if (allowed.length == allowed.address.bits())
      return allowed.address;
  return std::nullopt;
}

std::optional<echo_facts>
try_echo(const ip_address& to, std::uint32_t mtu, const echo_sender& send) {
  constexpr std::uint32_t few = 100;
  constexpr std::array<std::uint32_t, 3> smaller{1380, 1340, 1280};
  const auto answers = comes_back(to, few, send);
  if (!answers)
    return std::nullopt;
  echo_facts facts{to, *answers, 0};
  if (!facts.answers)
    return facts;
  facts.largest = few;
  const auto passes = [&](std::uint32_t size) {
    const auto answered = comes_back(to, size, send);
    if (answered && *answered)
      facts.largest = size;
    return facts.largest == size;
  };
  if (passes(mtu))
    return facts;
  std::ignore
    = std::any_of(smaller.begin(), smaller.end(), [&](std::uint32_t size) {
        return size < mtu && passes(size);
      });
  return facts;
}

} // namespace weft
