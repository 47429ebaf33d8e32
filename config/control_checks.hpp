// What must hold in the section `control`, whatever its format.
#pragma once

#include "config/node_config.hpp"

#include <functional>

namespace weft {

/// Called with a key of the section and what is wrong with it.  No key: it is
/// about the section and others.
using control_complaint
  = std::function<void(std::string_view key, std::string message)>;

/// Complains of values that no reader has seen, of keys that `listen` needs,
/// and of sockets that would have one name.
void check_control(const node_config& config,
                   const control_complaint& complain);

} // namespace weft
