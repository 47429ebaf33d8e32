// Where a YAML document says what a field holds.
#pragma once

#include "config/yaml_tree.hpp"

#include <string_view>

namespace weft {

/// The place of the value of `field`, `peers[2].allowed_ips[0]`.  What the
/// document does not have, or has in one text with others, has the place of
/// what is around it.
text_place place_of(const yaml_tree& tree, std::string_view field);

} // namespace weft
