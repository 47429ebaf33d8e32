#include "config/interface_checks.hpp"

#include <algorithm>

namespace weft {

std::optional<std::string> check_ipv6_mtu(const interface_config& config) {
  constexpr std::uint32_t least_for_ipv6 = 1280;
  const auto is_v6
    = [](const ip_prefix& prefix) { return !prefix.address.is_v4(); };
  if (config.mtu == automatic_mtu || config.mtu >= least_for_ipv6
      || (std::ranges::none_of(config.addresses, is_v6)
          && std::ranges::none_of(config.cluster_networks, is_v6)))
    return std::nullopt;
  return std::to_string(config.mtu)
         + " is too small for IPv6, which needs 1280 bytes; raise it, or take "
           "the IPv6 addresses and networks out";
}

} // namespace weft
