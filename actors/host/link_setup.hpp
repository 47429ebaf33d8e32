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

/// Adds the routes to the cluster networks, which the kernel forgets when the
/// link goes down.
result<void>
add_cluster_routes(const interface_config& config, const tun_device& tun);

/// Changes what differs between `from` and `to`: a sentence each.  On failure
/// nothing has changed.
result<std::vector<std::string>>
change_link(const interface_config& from, const interface_config& to,
            const tun_device& tun);

} // namespace weft
