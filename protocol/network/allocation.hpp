// Which slices of a network's ranges are free.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/ids.hpp"
#include "protocol/network/refusal.hpp"

#include <map>
#include <optional>
#include <span>
#include <vector>

namespace weft {

/// What is taken of some ranges.  It gives the first slice that nobody ever
/// had, then those that are free again, the longest first: what is released
/// rests for a day, so that nobody's packets go to a stranger.
///
/// What is taken and released decides the answers, and the time that is asked
/// for: not what was asked before, nor that time goes on.
class address_pool {
public:
  static constexpr std::chrono::hours rest{24};

  address_pool(const std::vector<ip_prefix>& ranges, std::uint8_t slice_v4,
               std::uint8_t slice_v6);

  /// A slice of each family that there are ranges of, sorted.  They stay free
  /// until take().
  accepted<std::vector<ip_prefix>> find_free(network_time now);

  /// Why somebody cannot have these; nothing: they are free.
  std::optional<refused>
  find_obstacle(std::span<const ip_prefix> wanted, network_time now) const;

  /// What find_obstacle() has nothing against.
  void take(std::span<const ip_prefix> prefixes);
  /// What was taken as it is released.
  void release(std::span<const ip_prefix> prefixes, network_time when);

private:
  struct range_state {
    ip_prefix range;
    std::uint8_t slice = 0;
    /// Every slice before it is taken or rests; none: every slice.
    std::optional<ip_address> unused;
  };
  /// What is not unused.
  struct used {
    ip_prefix prefix;
    std::optional<network_time> free_from; ///< none: somebody has it
    bool is_free(network_time now) const {
      return free_from && *free_from <= now;
    }
  };
  using used_map = std::map<ip_address, used>; ///< by the first address

  used_map::const_iterator find_used(const ip_prefix& prefix) const;
  bool is_free(const ip_prefix& prefix, network_time now) const;
  void forget(used_map::const_iterator which);
  std::optional<ip_prefix> unused_slice(range_state& in) const;
  std::optional<ip_prefix>
  rested_slice(const range_state& in, network_time now) const;
  accepted<ip_prefix> free_slice(ip_family family, network_time now);
  bool has_family(ip_family family) const;

  std::vector<range_state> ranges_;
  used_map used_;
  std::multimap<network_time, ip_prefix> resting_; ///< by when they are free
};

} // namespace weft
