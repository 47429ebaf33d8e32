// What the host is told of the interface: MTU, addresses and routes.
#pragma once

#include "config/node_config.hpp"
#include "platform/error.hpp"
#include "platform/tun_device.hpp"

#include <string>
#include <vector>

namespace weft {

/// Sets MTU, addresses and routes, and the link up.
result<void> set_up_link(const interface_config& config, const tun_device& tun);

/// What of an interface the host had lost.
struct link_repair {
  std::vector<std::string> put_back; ///< such as `address 10.0.0.1/24`
  std::vector<std::string> failures; ///< why something could not be: sentences
};

/// Adds the addresses and routes that are not there; routes only to a link that
/// is up.  The kernel forgets some when the link goes down, when its MTU is too
/// small for IPv6, or when an address goes that they came with; other programs
/// take them away.
link_repair repair_link(const interface_config& config, const tun_device& tun);

/// Changes what differs between `from` and `to`: a sentence each.  On failure
/// nothing has changed.
result<std::vector<std::string>>
change_link(const interface_config& from, const interface_config& to,
            const tun_device& tun);

} // namespace weft
