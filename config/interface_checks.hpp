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

} // namespace weft
