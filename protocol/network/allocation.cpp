#include "protocol/network/allocation.hpp"

#include "protocol/network/ranges.hpp"

#include <algorithm>

namespace weft {

namespace {

/// The first slice at or behind an address; nothing behind the last.
std::optional<ip_address>
align(const std::optional<ip_address>& address, std::uint8_t length) {
  if (!address)
    return std::nullopt;
  const auto slice = ip_prefix{*address, length}.network();
  return slice.address == *address ? address
                                   : next_address(last_address(slice));
}

} // namespace

address_pool::address_pool(std::vector<ip_prefix> ranges, std::uint8_t slice_v4,
                           std::uint8_t slice_v6) {
  for (const auto& range : ranges)
    ranges_.push_back({range, range.address.is_v4() ? slice_v4 : slice_v6,
                       range.network().address});
}

accepted<std::vector<ip_prefix>> address_pool::find_free(network_time now) {
  wake(now);
  std::vector<ip_prefix> found;
  for (const auto family : {ip_family::v4, ip_family::v6}) {
    if (!has_family(family))
      continue;
    auto slice = first_free_slice(family);
    if (!slice)
      return tl::unexpected(std::move(slice.error()));
    found.push_back(*slice);
  }
  return found;
}

std::optional<refused>
address_pool::find_obstacle(std::span<const ip_prefix> wanted,
                            network_time now) {
  wake(now);
  for (const auto& prefix : wanted) {
    if (std::none_of(ranges_.begin(), ranges_.end(), [&](const auto& each) {
          return covers(each.range, prefix);
        }))
      return refused{refusal::outside_ranges,
                     to_string(prefix) + " is in none of the issuer's ranges"};
    if (find_taken(prefix) != taken_.end())
      return refused{refusal::taken,
                     to_string(prefix)
                       + " is a member's, or was one's until a day ago"};
  }
  return std::nullopt;
}

void address_pool::take(std::span<const ip_prefix> prefixes) {
  for (const auto& prefix : prefixes)
    taken_.emplace(prefix.address, last_address(prefix));
}

void address_pool::release(std::span<const ip_prefix> prefixes,
                           network_time when) {
  for (const auto& prefix : prefixes)
    resting_.emplace(when + rest, prefix);
}

void address_pool::wake(network_time now) {
  while (!resting_.empty() && resting_.begin()->first <= now) {
    const auto prefix = resting_.begin()->second;
    resting_.erase(resting_.begin());
    taken_.erase(prefix.address);
    for (auto& each : ranges_) {
      if (!each.range.contains(prefix.address))
        continue;
      const auto slice = ip_prefix{prefix.address, each.slice}.network();
      if (!each.first_free || slice.address < *each.first_free)
        each.first_free = slice.address;
    }
  }
}

address_pool::interval_map::const_iterator
address_pool::find_taken(const ip_prefix& prefix) const {
  const auto behind = taken_.upper_bound(last_address(prefix));
  if (behind == taken_.begin())
    return taken_.end();
  const auto before = std::prev(behind);
  return before->second < prefix.address ? taken_.end() : before;
}

std::optional<ip_prefix> address_pool::first_free_slice(range_state& in) const {
  while (in.first_free && in.range.contains(*in.first_free)) {
    const ip_prefix slice{*in.first_free, in.slice};
    const auto taken = find_taken(slice);
    if (taken == taken_.end())
      return slice;
    in.first_free = align(next_address(taken->second), in.slice);
  }
  in.first_free.reset();
  return std::nullopt;
}

accepted<ip_prefix> address_pool::first_free_slice(ip_family family) {
  std::string full;
  for (auto& each : ranges_) {
    if (each.range.address.family != family)
      continue;
    if (const auto slice = first_free_slice(each))
      return *slice;
    full += (full.empty() ? "" : ", ") + to_string(each.range)
            + " in slices of /" + std::to_string(each.slice);
  }
  return refuse(refusal::exhausted,
                "no slice is left of " + full
                  + "; remove members that are gone (their slices rest for a "
                    "day), or begin a network with wider ranges");
}

bool address_pool::has_family(ip_family family) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const auto& each) {
    return each.range.address.family == family;
  });
}

} // namespace weft
