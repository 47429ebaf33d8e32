// What must hold between the keys of the interface, whatever its format.
#pragma once

#include "config/node_config.hpp"

#include <optional>
#include <string>

namespace weft {

/// What is wrong with the MTU of an interface with these addresses and
/// networks, if anything: the host has no IPv6 on links of less than 1280 bytes
/// (RFC 8200, 5).
std::optional<std::string> check_ipv6_mtu(const interface_config& config);

/// Why tables of nftables cannot be called as this interface is, which a lock
/// and a default route need: nothing if they can.
std::optional<std::string> check_table_name(const interface_config& config);

} // namespace weft
