// A set of addresses that prefixes span.
#pragma once

#include "protocol/base/ip.hpp"

#include <vector>

namespace weft {

/// The smallest list of prefixes that spans the same addresses without joining
/// any: none of them lies in another.
class prefix_cover {
public:
  explicit prefix_cover(std::vector<ip_prefix> prefixes);

  /// Whether all of `prefix` lies in one of the list's.  O(log n).
  bool covers(const ip_prefix& prefix) const;
  /// In ascending order.
  const std::vector<ip_prefix>& prefixes() const {
    return prefixes_;
  }

private:
  std::vector<ip_prefix> prefixes_;
};

} // namespace weft
