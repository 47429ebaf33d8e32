#include "protocol/base/control_role.hpp"

namespace weft {

std::string_view to_string(control_role role) {
  switch (role) {
    case control_role::node:
      return "node";
    case control_role::operate:
      return "operator";
    case control_role::view:
      return "viewer";
  }
  return "?";
}

std::optional<control_role> parse_control_role(std::string_view text) {
  for (const auto role :
       {control_role::node, control_role::operate, control_role::view}) {
    if (text == to_string(role))
      return role;
  }
  return {};
}

} // namespace weft
