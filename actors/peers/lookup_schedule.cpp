#include "actors/peers/lookup_schedule.hpp"

#include <algorithm>

namespace weft {

void lookup_schedule::add(const host_endpoint& host, time_point now) {
  if (const auto found = going_on_.find(key_of(host));
      found != going_on_.end()) {
    auto& report = found->second.report;
    report = report.value_or(now + most_.too_long);
  } else if (is_waiting_.insert(key_of(host)).second) {
    waiting_.push_back(host);
  }
}

void lookup_schedule::remove(const host_endpoint& host) {
  if (is_waiting_.erase(key_of(host)) > 0)
    std::erase(waiting_, host);
  if (!going_on_.contains(key_of(host)))
    slow_.erase(key_of(host));
}

std::vector<host_endpoint> lookup_schedule::begin(time_point now) {
  std::size_t young = 0;
  std::size_t slow = 0;
  for (const auto& [name, one] : going_on_) {
    if (one.was_slow)
      ++slow;
    else if (now - one.began < most_.takes_long)
      ++young;
  }
  std::vector<host_endpoint> begun;
  for (const bool slow_ones : {false, true}) {
    for (auto host = waiting_.begin(); host != waiting_.end();) {
      auto& count = slow_ones ? slow : young;
      if (going_on_.size() >= most_.in_all
          || count >= (slow_ones ? most_.slow : most_.at_a_time))
        break;
      if (slow_.contains(key_of(*host)) != slow_ones) {
        ++host;
        continue;
      }
      ++count;
      going_on_[key_of(*host)] = {now, slow_ones, now + most_.too_long};
      is_waiting_.erase(key_of(*host));
      begun.push_back(std::move(*host));
      host = waiting_.erase(host);
    }
  }
  return begun;
}

void lookup_schedule::finished(const host_endpoint& host, time_point now) {
  const auto found = going_on_.find(key_of(host));
  if (found == going_on_.end())
    return;
  if (now - found->second.began < most_.takes_long)
    slow_.erase(found->first);
  else
    slow_.insert(found->first);
  going_on_.erase(found);
}

std::vector<host_endpoint> lookup_schedule::too_long(time_point now) {
  std::vector<host_endpoint> late;
  for (auto& [name, one] : going_on_) {
    if (!one.report || now < *one.report)
      continue;
    one.report.reset();
    late.push_back({name.first, name.second});
  }
  return late;
}

std::optional<time_point> lookup_schedule::next_change(time_point now) const {
  std::optional<time_point> next;
  const auto consider = [&](time_point when) {
    if (when > now && (!next || when < *next))
      next = when;
  };
  for (const auto& [name, one] : going_on_) {
    if (!waiting_.empty())
      consider(one.began + most_.takes_long);
    if (one.report)
      consider(*one.report);
  }
  return next;
}

} // namespace weft
