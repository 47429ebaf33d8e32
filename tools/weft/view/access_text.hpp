// What is to be put right about remote control.
#pragma once

#include "config/device_status.hpp"

#include <string>
#include <vector>

namespace weft {

/// A sentence for each certificate that ends soon, and for files that are not
/// in force; none: all is well.
std::vector<std::string>
access_troubles(const access_report& access, wall_time now);

} // namespace weft
