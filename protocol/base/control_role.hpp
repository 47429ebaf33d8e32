// The parts in remote control.  Certificates state them, configurations grant
// them, and control connections carry them: so they stand below all three.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

/// What one may do in remote control.
enum class control_role : std::uint8_t {
  node,    ///< is controlled: a server
  operate, ///< a client that may change things
  view,    ///< a client that may look
};

/// `node`, `operator` or `viewer`
std::string_view to_string(control_role role);
std::optional<control_role> parse_control_role(std::string_view text);

} // namespace weft
