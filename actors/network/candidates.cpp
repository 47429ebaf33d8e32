#include "actors/network/candidates.hpp"

#include <algorithm>

namespace weft {

namespace {

enum class place { on_a_link, elsewhere, own_host };

place place_of(const endpoint& where, const own_addresses& own) {
  auto found = place::elsewhere;
  for (const auto& link : own.links) {
    if (link.address == where.address)
      return place::own_host;
    if (link.contains(where.address))
      found = place::on_a_link;
  }
  return found;
}

} // namespace

std::vector<endpoint>
order_candidates(std::span<const published_endpoint> published,
                 const own_addresses& own) {
  std::vector<endpoint> ordered;
  for (const auto wanted :
       {place::on_a_link, place::elsewhere, place::own_host}) {
    for (const auto& each : published) {
      if (place_of(each.where, own) != wanted
          || (wanted == place::own_host && each.where.port == own.port)
          || std::find(ordered.begin(), ordered.end(), each.where)
               != ordered.end())
        continue;
      ordered.push_back(each.where);
    }
  }
  return ordered;
}

} // namespace weft
