#include "config/prefix_cover.hpp"

#include <algorithm>

namespace weft {

namespace {

bool lies_in(const ip_prefix& inner, const ip_prefix& outer) {
  return inner.address.family == outer.address.family
         && inner.length >= outer.length && outer.contains(inner.address);
}

} // namespace

prefix_cover::prefix_cover(std::vector<ip_prefix> prefixes) {
  for (auto& prefix : prefixes)
    prefix = prefix.network();
  // By address and then by length: what lies in a prefix follows it directly.
  std::sort(prefixes.begin(), prefixes.end());
  for (const auto& prefix : prefixes)
    if (prefixes_.empty() || !lies_in(prefix, prefixes_.back()))
      prefixes_.push_back(prefix);
}

bool prefix_cover::covers(const ip_prefix& prefix) const {
  const auto after
    = std::upper_bound(prefixes_.begin(), prefixes_.end(), prefix.network());
  return after != prefixes_.begin() && lies_in(prefix, *std::prev(after));
}

} // namespace weft
