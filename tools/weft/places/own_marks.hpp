// How a node on this host marks its own packets.
#pragma once

#include "config/node_config.hpp"

#include <cstdint>
#include <optional>

namespace weft {

struct packet_marks {
  std::uint32_t fwmark = 0; ///< 0: none
  std::uint16_t port = 0;   ///< of UDP
};

/// Of the node that runs with this configuration; nothing: none does.
std::optional<packet_marks> marks_of_running(const node_config& config);

} // namespace weft
