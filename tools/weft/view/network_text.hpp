// The network that a node is a member of, for people and for programs.
#pragma once

#include "config/device_status.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace weft {

/// One line below the other: who it is and whom it is connected to, how many
/// there are, and what is wrong.
std::vector<std::vector<std::string>>
network_lines(const network_status& network, wall_time now);

/// Null: the node is in none.
nlohmann::ordered_json
network_json(const std::optional<network_status>& network);

} // namespace weft
