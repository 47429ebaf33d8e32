// Whether there is IPv6.
#pragma once

#include "platform/error.hpp"

namespace weft {

enum class ipv6_state {
  on,
  off,    ///< on this interface (`net.ipv6.conf.NAME.disable_ipv6`, or its MTU
          ///< is too small), while the host has it
  absent, ///< on the whole host
};

/// Asked by netlink, since a sandbox may hide /proc/sys.
result<ipv6_state> ipv6_of(int interface_index);

} // namespace weft
