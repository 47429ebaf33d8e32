// What leads packets through this host: routes and policy rules, as data.
#pragma once

#include "protocol/base/ip.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace weft {

inline constexpr std::uint32_t main_table = 254;

/// Of IPv4 and IPv6 alike: any other route to the same network is preferred.
inline constexpr std::uint32_t last_metric = 0xfffffffe;

/// A route to a network, which leads into the interface that is spoken of, or
/// nowhere.
struct host_route {
  ip_prefix network; ///< host bits cleared
  std::uint32_t table = main_table;
  std::uint32_t metric = 0; ///< 0: the kernel's own
  bool unreachable = false; ///< packets are refused, with an ICMP error

  auto operator<=>(const host_route&) const = default;
};

/// A rule of which table is asked for a route.
struct routing_rule {
  /// Who made it, among those that the kernel counts up (RTPROT_*): no other
  /// program that is known of has this number.
  static constexpr std::uint8_t own_protocol = 119;

  ip_family family = ip_family::v4;
  std::uint32_t priority = 0; ///< the lowest number is asked first
  std::uint32_t table = main_table;
  std::uint32_t fwmark = 0;
  std::uint32_t fwmask = 0; ///< bits of the mark that are compared; 0: none
  bool inverted = false;    ///< for packets that the rest does not apply to
  /// Routes to networks of this length or a shorter one are not taken.
  std::optional<std::uint32_t> suppress_prefixlength{};
  std::uint8_t protocol = own_protocol;
  /// There is more to it, which is not looked at: addresses, interfaces...
  bool has_more = false;

  auto operator<=>(const routing_rule&) const = default;
};

/// `10.0.0.0/8`, `0.0.0.0/0 (table 51820)`, `unreachable ::/0 (table 51820)`
std::string to_string(const host_route& route);
/// `0x2f`, as ip-rule(8) and nft(8) have marks
std::string to_hexadecimal(std::uint32_t number);
/// As ip-rule(8) has it: `20000: not fwmark 0x1 lookup 51820 (IPv6)`
std::string to_string(const routing_rule& rule);

} // namespace weft
