#include "tools/weft/network/host_overlap.hpp"

#include "protocol/network/ranges.hpp"

#include <functional>

namespace weft {

namespace {

/// A host that has a route to all of fc00::/7 has none of it to spare.
constexpr int most_draws = 100;

/// The networks of 16 bits that a block of 8 to 16 bits consists of.
std::vector<ip_prefix> parts_of(const ip_prefix& block) {
  std::vector<ip_prefix> parts;
  for (unsigned number = 0; number < 1U << (16U - block.length); ++number) {
    auto& part = parts.emplace_back(ip_prefix{block.address, 16});
    part.address.bytes[1] |= std::byte(number);
  }
  return parts;
}

} // namespace

std::optional<std::string>
overlap_of(std::span<const ip_prefix> ranges,
           std::span<const host_network> present, const std::string& own) {
  std::optional<std::string> found;
  for (const auto& range : ranges) {
    for (const auto& each : present) {
      if (each.interface == own || leads_all(each.network)
          || !overlaps(range, each.network))
        continue;
      if (each.is_own) // which says more than the route that comes with it
        return "the range " + to_string(range) + " holds "
               + to_string(each.network.address) + ", an address of this host ("
               + each.interface + ")";
      if (!found)
        found = "the range " + to_string(range) + " overlaps with "
                + to_string(each.network) + ", which this host reaches by "
                + each.interface;
    }
  }
  return found;
}

std::optional<std::string>
find_host_overlap(std::span<const ip_prefix> ranges, const std::string& own) {
  const auto present = list_host_networks();
  if (!present)
    return std::nullopt;
  auto found = overlap_of(ranges, *present, own);
  if (found)
    *found += ": the tunnel would take that traffic";
  return found;
}

std::vector<ip_prefix>
draw_free_ranges(std::span<const host_network> present, random_source& random) {
  const auto is_free = [&](const ip_prefix& range) {
    return !overlap_of({&range, 1}, present, {});
  };
  std::vector<ip_prefix> result;
  for (const auto* block :
       {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"}) {
    auto free = parts_of(*parse_ip_prefix(block));
    std::erase_if(free, std::not_fn(is_free));
    if (free.empty())
      continue;
    result.push_back(free[random.next_u32() % free.size()]);
    break;
  }
  for (int attempt = 0; attempt < most_draws; ++attempt) {
    auto drawn = *parse_ip_prefix("fd00::/48");
    random.fill(byte_span(drawn.address.bytes).subspan(1, 5));
    if (!is_free(drawn))
      continue;
    result.push_back(drawn);
    break;
  }
  return result;
}

} // namespace weft
