// What a directory tells its members: pages of a comparison, and changes.
#include "protocol/network/directory.hpp"
#include "protocol/network/directory_parts.hpp"

#include <algorithm>
#include <utility>

namespace weft {

using namespace directory_parts;

// -- comparing ---------------------------------------------------------------

void directory::take(connection from, link& member, const compare_items& said,
                     const instant& at) {
  if (!may_ask(from, member, at))
    return;
  member.follows = true;
  member.behind = false;
  member.pages = std::make_unique<paging>(
    paging{items_.digests().differing(said.have), {}});
  send_page(from, member, at.now);
}

void directory::take(connection from, link& member, const next_page&,
                     const instant& at) {
  if (member.pages)
    send_page(from, member, at.now);
}

/// Now, or once there is room for it and it is due: each costs the directory
/// more than the question.
void directory::send_page(connection to, link& member, time_point now) {
  member.wants_page = false;
  if (!member.pages)
    return;
  if (member.queued > most_queued_bytes / 2) {
    member.wants_page = true;
    return;
  }
  if (!member.pages_due.take(now)) {
    member.wants_page = true;
    late_pages_.insert(to);
    return;
  }
  auto& place = *member.pages;
  auto page = items_.read(place.wanted, place.from);
  // Whole are those before the one that the next page begins in.
  const auto begins = page.next ? page.next->bucket : bucket_count;
  items_page message{{}, std::move(page.items), !page.next, store_.revision()};
  for (std::size_t i = place.from.bucket; i < begins; ++i)
    message.buckets[i] = place.wanted[i];
  if (page.next)
    place.from = std::move(*page.next);
  else
    member.pages.reset();
  send(to, member, message);
}

void directory::send_late_pages(time_point now) {
  for (const auto number : std::exchange(late_pages_, {})) {
    const auto found = links_.find(number);
    if (found != links_.end() && found->second.wants_page)
      send_page(number, found->second, now);
  }
}

// -- telling of changes ------------------------------------------------------

void directory::push_changes() {
  if (to_push_.size() > most_page_items) {
    // A comparison tells it at the pace at which each one reads.
    to_push_.clear();
    const auto again = frame_of(compare_again{});
    for (auto& [number, member] : links_) {
      if (std::exchange(member.follows, false))
        send(number, member, again);
    }
    return;
  }
  items_changed changes;
  changes.revision = store_.revision();
  std::size_t bytes = 0;
  while (!to_push_.empty()) {
    const auto* content = items_.find(*to_push_.begin());
    const auto more
      = to_push_.begin()->size() + (content != nullptr ? content->size() : 0);
    if (bytes != 0 && bytes + more > most_page_bytes)
      break;
    bytes += more;
    auto key = std::move(to_push_.extract(to_push_.begin()).value());
    if (content != nullptr)
      changes.items.push_back({std::move(key), *content});
    else
      changes.gone.push_back(std::move(key));
  }
  if (bytes != 0)
    push(frame_of(changes));
}

void directory::push(const shared_frame& frame) {
  for (auto& [number, member] : links_) {
    if (!member.follows)
      continue;
    if (member.queued == 0
        || member.queued + frame->size() <= most_queued_bytes) {
      send(number, member, frame);
    } else {
      member.follows = false;
      member.behind = true; // until it has read what it was given
    }
  }
}

} // namespace weft
