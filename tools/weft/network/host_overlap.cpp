#include "tools/weft/network/host_overlap.hpp"

#include "protocol/network/ranges.hpp"

namespace weft {

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
    *found += ": the tunnel would take that traffic. Choose other ranges for "
              "the network, or say --allow-overlap if it is meant to";
  return found;
}

} // namespace weft
