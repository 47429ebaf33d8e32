// Says in time that certificates end.
#pragma once

#include "config/device_status.hpp"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// A line a day for each certificate that ends soon, or has ended.
class expiry_reminder {
public:
  /// The lines that are due at `now`.
  std::vector<std::string>
  due(std::span<const certificate_status> certificates, wall_time now);

private:
  std::map<std::string, wall_time> told_; ///< when, by file
};

} // namespace weft
