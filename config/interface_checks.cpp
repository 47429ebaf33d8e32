#include "config/interface_checks.hpp"

#include "config/strings.hpp"

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

std::optional<std::string> check_table_name(const interface_config& config) {
  constexpr std::string_view known
    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (config.name.find_first_not_of(known) == std::string::npos)
    return std::nullopt;
  return "nftables takes no interface that is called "
         + strings::quote(config.name)
         + "; a name of letters, digits, '.', '_' and '-' is expected";
}

} // namespace weft
