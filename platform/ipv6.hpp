// Whether there is IPv6.
#pragma once

#include <string>

namespace weft {

/// Whether the host has IPv6, and it is not switched off on the interface
/// (`net.ipv6.conf.NAME.disable_ipv6`).
bool has_ipv6(const std::string& interface);

} // namespace weft
