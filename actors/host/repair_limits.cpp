#include "actors/host/repair_limits.hpp"

#include <algorithm>

namespace weft {

time_point repair_limits::next_look(time_point now) const {
  const auto due = now + settling;
  return looked_ ? std::max(due, *looked_ + between_looks) : due;
}

void repair_limits::looked(time_point now) {
  looked_ = now;
  std::erase_if(repairs_, [now](const auto& entry) {
    return now - entry.second.last >= peace;
  });
}

time_point repair_limits::due(const host_need& what, time_point now) const {
  const auto found = repairs_.find(what);
  if (found == repairs_.end())
    return now;
  const auto& [count, last] = found->second;
  if (count >= most_repairs)
    return last + peace;
  return std::holds_alternative<routing_rule>(what) ? last + between_rules
                                                    : now;
}

bool repair_limits::note(const host_need& what, time_point now) {
  auto& known = repairs_[what];
  known.last = now;
  return ++known.count == most_repairs;
}

} // namespace weft
