// What the kernel does for many packets at once, for people and for programs.
#pragma once

#include "config/device_status.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace weft {

/// `tun`, `no udp send: REASON`
std::vector<std::string> offload_items(const std::vector<offload_use>& all);

/// By name: whether it is in use, and why not.
nlohmann::ordered_json offloads_json(const std::vector<offload_use>& all);

/// A line for each: whether it is in use, and why not.
std::string format_offloads(const std::vector<offload_use>& all);

} // namespace weft
