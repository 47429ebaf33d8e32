// What must hold between the keys of the interface, whatever its format.
#pragma once

#include "config/node_config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// The host has no IPv6 on links of fewer bytes (RFC 8200, 5).
inline constexpr std::uint32_t least_ipv6_mtu = 1280;

/// What is wrong with the MTU of an interface with these addresses and
/// networks, if anything.
std::optional<std::string> check_ipv6_mtu(const interface_config& config);

/// Whether tables of nftables can be called as an interface of that name is.
bool is_table_name(std::string_view name);

/// What is wrong with the interface's name, if anything: a lock and a default
/// route have tables that are called so.
std::optional<std::string> check_table_name(const node_config& config);

/// What is wrong with the mode of an offload, if anything: `on` is for those
/// that are doubtful.
std::optional<std::string>
check_offload(const offload_key& key, offload_mode mode);

} // namespace weft
