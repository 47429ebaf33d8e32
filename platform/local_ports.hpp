// Which ports this host gives to outgoing connections.
#pragma once

#include <cstdint>

namespace weft {

/// The first one (net.ipv4.ip_local_port_range).  Where a sandbox hides it, the
/// first that a program without privileges may have: 1024.
std::uint16_t first_local_port();

} // namespace weft
