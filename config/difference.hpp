// The difference between two configurations, so that a reload leaves what did
// not change untouched.
#pragma once

#include "config/device_update.hpp"

namespace weft {

/// What must change on a device configured as `from` to be configured as
/// `to`.  Unchanged peers do not appear.
device_update difference(const node_config& from, const node_config& to);

} // namespace weft
