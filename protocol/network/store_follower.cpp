#include "protocol/network/store_follower.hpp"

#include <algorithm>
#include <utility>

namespace weft {

// -- reading all of it -------------------------------------------------------

std::optional<store_follower::outcome> store_follower::opened(time_point now) {
  steps_.clear(); // they were for the one before
  change_at_.reset();
  begin_listing(now);
  if (!std::exchange(under_way_, std::nullopt))
    return std::nullopt;
  return outcome{
    false, store_error{store_failure::unavailable, "the store was opened anew"},
    0};
}

void store_follower::read_again(time_point now) {
  if (loaded_ && !listing_)
    begin_listing(now);
}

void store_follower::begin_listing(time_point now) {
  listing_.emplace();
  listing_since_ = now;
  next_page_ = {};
  list_at_.reset();
  steps_.emplace_back(list_entries{next_page_});
}

void store_follower::listed(const store_result<store_page>& page,
                            time_point now) {
  if (!listing_)
    return;
  if (!page) {
    // Pages of one revision, or none at all.
    call_trouble_ = page.error().message;
    list_at_ = now + wait_after_failure();
    return;
  }
  for (const auto& each : page->entries) {
    (*listing_)[each.key] = each.changed;
    // Also what is as it was: whoever takes it sees that it is.
    news_.push_back({each.key, each.value, each.changed});
  }
  if (page->more && !page->entries.empty()) {
    next_page_.after = page->entries.back().key;
    next_page_.at = page->at;
    steps_.emplace_back(list_entries{next_page_});
    return;
  }
  wait_ = first_wait;
  call_trouble_.clear();
  watch_trouble_.clear();
  finish_listing(page->at);
}

void store_follower::finish_listing(store_revision at) {
  for (const auto& [key, changed] : known_) {
    if (listing_->count(key) == 0)
      news_.push_back({key, std::nullopt, at});
  }
  known_ = std::move(*listing_);
  listing_.reset();
  revision_ = at;
  tell_first_ = 0;
  loaded_ = true;
  read_since_ = listing_since_;
  steps_.emplace_back(watch_entries{at + 1});
}

// -- following it ------------------------------------------------------------

void store_follower::told(const store_result<store_news>& news,
                          time_point now) {
  if (listing_)
    return; // of a watch that is no more: all is read anew
  if (!news) {
    watch_trouble_ = news.error().message;
    if (news.error().failure == store_failure::history_lost) {
      begin_listing(now);
    } else if (news.error().failure == store_failure::unavailable) {
      // It goes on by itself, or it does not.
      list_at_ = list_at_.value_or(now + longest_without_watch);
    } else {
      listing_.emplace();
      list_at_ = now + wait_after_failure();
    }
    return;
  }
  watch_trouble_.clear();
  list_at_.reset();
  for (const auto& each : news->events)
    take_event(each);
  revision_ = std::max(revision_, news->through);
}

void store_follower::take_event(const store_event& event) {
  if (event.at <= revision_)
    return; // told before
  const auto known = known_.find(event.key);
  if (event.value)
    known_[event.key] = std::max(event.at, as_known(event.key).changed);
  else if (known != known_.end() && known->second <= event.at)
    known_.erase(known);
  news_.push_back({event.key, event.value, event.at});
}

// -- changing it -------------------------------------------------------------

bool store_follower::can_change() const {
  return loaded_ && !listing_ && !under_way_ && revision_ >= tell_first_;
}

store_condition store_follower::as_known(const std::string& key) const {
  const auto known = known_.find(key);
  return {key, known == known_.end() ? 0 : known->second};
}

void store_follower::forget(const std::string& key) {
  known_.erase(key);
  if (listing_)
    listing_->erase(key);
}

void store_follower::change(std::vector<store_condition> conditions,
                            std::vector<store_write> writes) {
  store_change change{{}, std::move(conditions), std::move(writes)};
  random_.fill(change.request);
  under_way_ = std::move(change);
  steps_.emplace_back(change_entries{*under_way_});
}

std::optional<store_follower::outcome>
store_follower::changed(const store_result<change_outcome>& result,
                        time_point now) {
  if (!under_way_ || change_at_)
    return std::nullopt;
  if (!result) {
    call_trouble_ = result.error().message;
    const auto failure = result.error().failure;
    if (failure == store_failure::out_of_bounds
        || failure == store_failure::full) {
      under_way_.reset();
      return outcome{false, result.error(), 0};
    }
    // Whether it was made or not: under the same id it is made once, and
    // nothing else is asked for before.
    change_at_ = now + wait_after_failure();
    return std::nullopt;
  }
  wait_ = first_wait;
  call_trouble_.clear();
  const auto made = std::exchange(under_way_, std::nullopt);
  if (!result->applied) {
    tell_first_ = result->at;
    return outcome{false, std::nullopt, 0};
  }
  for (const auto& each : made->writes) {
    auto& changed = known_[each.key];
    if (each.value)
      changed = std::max(changed, result->at);
    else if (changed <= result->at)
      known_.erase(each.key);
  }
  return outcome{true, std::nullopt, result->at};
}

// -- time --------------------------------------------------------------------

/// Twice as long each time, and of it a random part of the second half.
duration store_follower::wait_after_failure() {
  const auto half = wait_ / 2;
  wait_ = std::min(2 * wait_, longest_wait);
  const auto span = static_cast<std::uint32_t>(half.count() + 1);
  return half + std::chrono::milliseconds{random_.next_u32() % span};
}

void store_follower::on_time(time_point now) {
  if (list_at_ && *list_at_ <= now)
    begin_listing(now);
  if (change_at_ && *change_at_ <= now) {
    change_at_.reset();
    steps_.emplace_back(change_entries{*under_way_});
  }
}

time_point store_follower::next_time() const {
  return std::min(list_at_.value_or(time_point::max()),
                  change_at_.value_or(time_point::max()));
}

// -- what goes out -----------------------------------------------------------

std::vector<store_follower::step> store_follower::take_steps() {
  return std::exchange(steps_, {});
}

std::vector<store_follower::entry_news> store_follower::take_news() {
  return std::exchange(news_, {});
}

std::string store_follower::trouble() const {
  return call_trouble_.empty() ? watch_trouble_ : call_trouble_;
}

} // namespace weft
