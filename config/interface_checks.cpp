#include "config/interface_checks.hpp"

#include "config/full_tunnel.hpp"
#include "config/strings.hpp"

#include <algorithm>

namespace weft {

std::optional<std::string> check_ipv6_mtu(const interface_config& config) {
  const auto is_v6
    = [](const ip_prefix& prefix) { return !prefix.address.is_v4(); };
  if (config.mtu == automatic_mtu || config.mtu >= least_ipv6_mtu
      || (std::ranges::none_of(config.addresses, is_v6)
          && std::ranges::none_of(config.cluster_networks, is_v6)))
    return std::nullopt;
  return std::to_string(config.mtu) + " is too small for IPv6, which needs "
         + std::to_string(least_ipv6_mtu)
         + " bytes; raise it, or take "
           "the IPv6 addresses and networks out";
}

bool is_table_name(std::string_view name) {
  constexpr std::string_view known
    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return name.find_first_not_of(known) == std::string_view::npos;
}

std::optional<std::string> check_table_name(const node_config& config) {
  const auto& name = config.interface.name;
  if (is_table_name(name)
      || (!config.interface.kill_switch && !full_tunnel_of(config).any()))
    return std::nullopt;
  return "nftables takes no interface that is called " + strings::quote(name)
         + "; a name of letters, digits, '.', '_' and '-' is expected";
}

std::optional<std::string>
check_offload(const offload_key& key, offload_mode mode) {
  if (mode != offload_mode::on || key.is_doubtful)
    return std::nullopt;
  return "nothing about it is doubtful, so that there is no 'on'; auto has it "
         "used wherever the kernel can";
}

} // namespace weft
