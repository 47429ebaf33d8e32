#include "actors/control/server/places.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

namespace weft {

namespace {

constexpr std::array<std::uint8_t, 4> v6_levels{32, 48, 56, 64};
constexpr std::array<std::uint8_t, 4> v4_levels{24, 32, 32, 32};

using crowd = std::variant<std::uint32_t, ip_prefix>;

crowd crowd_of(const client_origin& from, std::size_t level) {
  if (const auto* user = std::get_if<std::uint32_t>(&from))
    return *user;
  const auto& address = std::get<ip_address>(from);
  const auto& levels = address.is_v4() ? v4_levels : v6_levels;
  return ip_prefix{address, levels.at(level)}.network();
}

/// Those of `candidates` that are of the largest crowd, or, if there are
/// several of that size, of the one with the oldest of them.
std::vector<std::size_t>
largest_crowd(std::span<const newcomer> waiting, const client_origin& next,
              const std::vector<std::size_t>& candidates, std::size_t level) {
  std::map<crowd, std::vector<std::size_t>> crowds;
  for (const auto index : candidates)
    crowds[crowd_of(waiting[index].from, level)].push_back(index);
  const auto joined = crowd_of(next, level);
  const auto size = [&](const auto& entry) {
    return entry.second.size() + (entry.first == joined ? 1 : 0);
  };
  const auto largest = std::max_element(
    crowds.begin(), crowds.end(), [&](const auto& left, const auto& right) {
      return size(left) != size(right)
               ? size(left) < size(right)
               : left.second.front() > right.second.front();
    });
  return largest->second;
}

} // namespace

std::size_t
who_gives_way(std::span<const newcomer> waiting, const client_origin& from) {
  std::vector<std::size_t> silent;
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < waiting.size(); ++i)
    (waiting[i].has_spoken ? others : silent).push_back(i);
  auto& candidates = silent.size() >= others.size() ? silent : others;
  for (std::size_t level = 0; level < v6_levels.size(); ++level)
    candidates = largest_crowd(waiting, from, candidates, level);
  return candidates.front();
}

std::optional<std::size_t>
whose_place(std::span<const std::string> holders, const std::string& name) {
  std::map<std::string, std::size_t> counts;
  for (const auto& holder : holders)
    ++counts[holder];
  const auto largest = std::max_element(
    counts.begin(), counts.end(), [](const auto& left, const auto& right) {
      return left.second < right.second;
    });
  if (largest == counts.end() || largest->second < counts[name] + 2)
    return std::nullopt;
  const auto newest
    = std::find(holders.rbegin(), holders.rend(), largest->first);
  return static_cast<std::size_t>(std::distance(newest, holders.rend())) - 1;
}

} // namespace weft
