#include "actors/loop/deadline_queue.hpp"

#include <utility>
#include <vector>

namespace weft {

deadline_id
deadline_queue::add(time_point when, const void* owner, action what) {
  const deadline_id id{when, ++last_number_};
  entries_.emplace(id, entry{owner, std::move(what)});
  return id;
}

void deadline_queue::remove_all(const void* owner) {
  std::erase_if(entries_,
                [owner](const auto& one) { return one.second.owner == owner; });
}

bool deadline_queue::call_due(time_point now) {
  if (entries_.empty() || now < entries_.begin()->first.when)
    return false;
  std::vector<deadline_id> due;
  for (auto one = entries_.begin();
       one != entries_.end() && one->first.when <= now; ++one)
    due.push_back(one->first);
  for (const auto& id : due) {
    // One before it may have removed it.
    if (const auto found = entries_.extract(id))
      found.mapped().what();
  }
  return true;
}

} // namespace weft
