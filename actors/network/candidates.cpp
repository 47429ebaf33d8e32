#include "actors/network/candidates.hpp"

#include <algorithm>

namespace weft {

std::vector<endpoint>
order_candidates(std::span<const published_endpoint> published,
                 std::span<const ip_prefix> links) {
  std::vector<endpoint> ordered;
  for (const auto& each : published)
    if (std::find(ordered.begin(), ordered.end(), each.where) == ordered.end())
      ordered.push_back(each.where);
  std::stable_partition(ordered.begin(), ordered.end(), [&](const auto& each) {
    return std::any_of(links.begin(), links.end(), [&](const auto& link) {
      return link.contains(each.address);
    });
  });
  return ordered;
}

} // namespace weft
