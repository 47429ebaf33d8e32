// Which offloads are used, and why not.  Plain functions.
#pragma once

#include "config/device_status.hpp"
#include "config/node_config.hpp"
#include "platform/tun_device.hpp"
#include "protocol/packets/udp_features.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What sockets are to use by this configuration, on a kernel of that release.
udp_features
features_for(const node_config& config, std::string_view kernel_release);

/// Why datagrams leave one by one although they need not; empty: they do not,
/// or that was asked for.
std::string why_not_joined(offload_mode udp, std::string_view kernel_release);

/// Of the device, which may be null: there is none.
std::vector<offload_use> use_of_tun(offload_mode wanted, const tun_device* tun);

} // namespace weft
