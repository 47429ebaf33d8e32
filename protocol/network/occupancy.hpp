// Who has which name, key and addresses: one for each.  Private to
// protocol/network/.
#pragma once

#include "protocol/base/keys.hpp"
#include "protocol/network/ranges.hpp"

#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_set>

namespace weft {

/// A set of addresses, by the prefixes that cover it.
class prefix_set {
public:
  /// One that overlaps any of `prefixes`; nullptr: none does.
  const ip_prefix* find_overlap(std::span<const ip_prefix> prefixes) const {
    for (const auto& prefix : prefixes) {
      const auto behind = prefixes_.upper_bound(last_address(prefix));
      if (behind == prefixes_.begin())
        continue;
      const auto& before = std::prev(behind)->second;
      if (overlaps(before, prefix))
        return &before;
    }
    return nullptr;
  }

  void add(const ip_prefix& prefix) {
    while (const auto* other = find_overlap({&prefix, 1})) {
      if (covers(*other, prefix))
        return;
      prefixes_.erase(other->address);
    }
    prefixes_.emplace(prefix.address, prefix);
  }
  void add(std::span<const ip_prefix> prefixes) {
    for (const auto& prefix : prefixes)
      add(prefix);
  }

private:
  /// By their first addresses; no two overlap.
  std::map<ip_address, ip_prefix> prefixes_;
};

/// What others have already.
struct occupancy {
  std::set<std::string> names;
  std::unordered_set<public_key> keys;
  prefix_set prefixes;
};

} // namespace weft
