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

/// What is taken of some ranges.  It gives the first free slice of the first
/// range that has one; what is released rests for a day before somebody else
/// gets it, so that nobody's packets go to a stranger.
class address_pool {
public:
  static constexpr std::chrono::hours rest{24};

  address_pool(std::vector<ip_prefix> ranges, std::uint8_t slice_v4,
               std::uint8_t slice_v6);

  /// A slice of each family that there are ranges of, sorted.  They stay free
  /// until take().
  accepted<std::vector<ip_prefix>> find_free(network_time now);

  /// Why somebody cannot have these; nothing: they are free.
  std::optional<refused>
  find_obstacle(std::span<const ip_prefix> wanted, network_time now);

  /// What find_obstacle() has nothing against.
  void take(std::span<const ip_prefix> prefixes);
  /// What was taken as it is released.
  void release(std::span<const ip_prefix> prefixes, network_time when);

private:
  struct range_state {
    ip_prefix range;
    std::uint8_t slice = 0;
    /// No free slice begins before it; none: no free slice at all.
    std::optional<ip_address> first_free;
  };
  /// First and last address of what is not free.
  using interval_map = std::map<ip_address, ip_address>;

  void wake(network_time now);
  interval_map::const_iterator find_taken(const ip_prefix& prefix) const;
  std::optional<ip_prefix> first_free_slice(range_state& in) const;
  accepted<ip_prefix> first_free_slice(ip_family family);
  bool has_family(ip_family family) const;

  std::vector<range_state> ranges_;
  interval_map taken_;
  std::multimap<network_time, ip_prefix> resting_; ///< by when they wake
};

} // namespace weft
