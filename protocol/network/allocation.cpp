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

address_pool::address_pool(const std::vector<ip_prefix>& ranges,
                           std::uint8_t slice_v4, std::uint8_t slice_v6) {
  for (const auto& range : ranges)
    ranges_.push_back({range, range.address.is_v4() ? slice_v4 : slice_v6,
                       range.network().address});
}

accepted<std::vector<ip_prefix>> address_pool::find_free(network_time now) {
  std::vector<ip_prefix> found;
  for (const auto family : {ip_family::v4, ip_family::v6}) {
    if (!has_family(family))
      continue;
    auto slice = free_slice(family, now);
    if (!slice)
      return tl::unexpected(std::move(slice.error()));
    found.push_back(*slice);
  }
  return found;
}

std::optional<refused>
address_pool::find_obstacle(std::span<const ip_prefix> wanted,
                            network_time now) const {
  for (const auto& prefix : wanted) {
    if (std::none_of(ranges_.begin(), ranges_.end(), [&](const auto& each) {
          return covers(each.range, prefix);
        }))
      return refused{refusal::outside_ranges,
                     to_string(prefix) + " is in none of the issuer's ranges"};
    if (!is_free(prefix, now))
      return refused{refusal::taken,
                     to_string(prefix)
                       + " is a member's, or was one's until a day ago"};
  }
  return std::nullopt;
}

void address_pool::take(std::span<const ip_prefix> prefixes) {
  for (const auto& prefix : prefixes) {
    for (auto each = find_used(prefix); each != used_.end();
         each = find_used(prefix))
      forget(each);
    used_.emplace(prefix.address, used{prefix, std::nullopt});
  }
}

void address_pool::release(std::span<const ip_prefix> prefixes,
                           network_time when) {
  for (const auto& prefix : prefixes) {
    const auto found = used_.find(prefix.address);
    if (found == used_.end() || found->second.free_from)
      continue;
    found->second.free_from = when + rest;
    resting_.emplace(when + rest, prefix);
  }
}

/// The last that overlaps a prefix.
address_pool::used_map::const_iterator
address_pool::find_used(const ip_prefix& prefix) const {
  const auto behind = used_.upper_bound(last_address(prefix));
  if (behind == used_.begin())
    return used_.end();
  const auto before = std::prev(behind);
  return overlaps(before->second.prefix, prefix) ? before : used_.end();
}

bool address_pool::is_free(const ip_prefix& prefix, network_time now) const {
  auto behind = used_.upper_bound(last_address(prefix));
  while (behind != used_.begin()) {
    const auto& before = std::prev(behind)->second;
    if (!overlaps(before.prefix, prefix))
      return true;
    if (!before.is_free(now))
      return false;
    --behind;
  }
  return true;
}

/// What rested is as if nobody had ever had it, for what is left of it when
/// somebody takes a part.
void address_pool::forget(used_map::const_iterator which) {
  const auto& prefix = which->second.prefix;
  const auto& free_from = which->second.free_from;
  for (auto& each : ranges_) {
    const auto slice = ip_prefix{prefix.address, each.slice}.network();
    if (each.range.contains(prefix.address)
        && (!each.unused || slice.address < *each.unused))
      each.unused = slice.address;
  }
  if (free_from) {
    const auto [first, last] = resting_.equal_range(*free_from);
    const auto found = std::find_if(first, last, [&](const auto& each) {
      return each.second == prefix;
    });
    if (found != last)
      resting_.erase(found);
  }
  used_.erase(which);
}

std::optional<ip_prefix> address_pool::unused_slice(range_state& in) const {
  while (in.unused && in.range.contains(*in.unused)) {
    const ip_prefix slice{*in.unused, in.slice};
    const auto taken = find_used(slice);
    if (taken == used_.end())
      return slice;
    in.unused
      = align(next_address(last_address(taken->second.prefix)), in.slice);
  }
  in.unused.reset();
  return std::nullopt;
}

std::optional<ip_prefix>
address_pool::rested_slice(const range_state& in, network_time now) const {
  for (const auto& [free_from, prefix] : resting_) {
    if (free_from > now)
      break;
    const auto slice = ip_prefix{prefix.address, in.slice}.network();
    if (in.range.contains(slice.address) && is_free(slice, now))
      return slice;
  }
  return std::nullopt;
}

accepted<ip_prefix>
address_pool::free_slice(ip_family family, network_time now) {
  std::string full;
  for (auto& each : ranges_) {
    if (each.range.address.family != family)
      continue;
    if (const auto slice = unused_slice(each))
      return *slice;
    full += (full.empty() ? "" : ", ") + to_string(each.range)
            + " in slices of /" + std::to_string(each.slice);
  }
  for (const auto& each : ranges_) {
    if (each.range.address.family != family)
      continue;
    if (const auto slice = rested_slice(each, now))
      return *slice;
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
