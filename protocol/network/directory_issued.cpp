// What a directory's issuer has signed, on its way into the store; and what was
// lost there.
#include "protocol/network/directory.hpp"
#include "protocol/network/directory_parts.hpp"

#include <algorithm>
#include <utility>

namespace weft {

using namespace directory_parts;

namespace {

/// Of a change with the place in the journal.
constexpr std::size_t most_brought_writes = most_store_writes - 1;
/// Leaves room for keys.
constexpr std::size_t most_brought_bytes = largest_store_change - 4096;
constexpr std::chrono::seconds pause_between_questions{1};

std::size_t size_of(const store_write& write) {
  return write.key.size() + (write.value ? write.value->size() : 0);
}

} // namespace

// -- what the issuer has signed ----------------------------------------------

void directory::issuer_there(bool there, const instant& at) {
  issuer_there_ = there;
  issuer_asked_ = false;
  if (there)
    ask_at_ = at.now;
  go_on(at);
}

void directory::ask_issuer(const instant& at) {
  // From where the store is: not before all of that has been told.
  if (!issuer_there_ || issuer_asked_ || bring_through_ || !store_.can_change()
      || settings_.issuer.empty() || at.now < ask_at_)
    return;
  issuer_asked_ = true;
  asked_at_ = at.now;
  ask_at_ = at.now + pause_between_questions;
  steps_.emplace_back(ask_for_items{issued_through_});
}

void directory::issued(const accepted<issued_items>& answer,
                       const instant& at) {
  if (!issuer_asked_)
    return;
  issuer_asked_ = false;
  if (!answer) {
    ask_at_ = at.now + pause_after_error;
    return go_on(at);
  }
  for (const auto& each : answer->items) {
    const auto* held = items_.find(each.key);
    const bool is_here = held != nullptr && *held == each.content;
    // An issuer that was set back takes nothing newer away.
    const auto newer = held != nullptr ? checker_.is_newer(each, wall_of(at))
                                       : accepted<bool>(true);
    if (!is_item(each) || each.content.size() > largest_store_value)
      ++refused_;
    else if (!is_here && (!newer || *newer))
      to_bring_.push_back({store_key_of(each.key), to_value(each.content)});
  }
  for (const auto& each : answer->gone) {
    if (items_.find(each) != nullptr)
      to_bring_.push_back({store_key_of(each), std::nullopt});
  }
  if (answer->through != issued_through_ || !to_bring_.empty()) {
    bring_through_ = answer->through;
    ask_at_ = at.now; // once that is in the store
  } else {
    all_brought_ = asked_at_;
  }
  go_on(at);
}

void directory::issuer_elsewhere(bool there, const instant& at) {
  if (!there)
    issuer_elsewhere_.reset();
  else if (!issuer_elsewhere_)
    issuer_elsewhere_ = at.now;
}

bool directory::bring_issued() {
  if (!bring_through_)
    return false;
  const auto place = std::string{issued_prefix} + settings_.issuer;
  std::vector<store_write> writes;
  std::set<std::string> keys;
  std::size_t bytes = 0;
  for (const auto& each : to_bring_) {
    bytes += size_of(each);
    const bool fits
      = writes.empty()
        || (writes.size() < most_brought_writes && bytes <= most_brought_bytes);
    if (!fits || !keys.insert(each.key).second)
      break;
    writes.push_back(each);
  }
  const bringing what{writes.size(), writes.size() == to_bring_.size()};
  // Another one of this issuer's directories is not to be set back.
  const auto condition = store_.as_known(place);
  if (what.last)
    writes.push_back({place, std::to_string(*bring_through_)});
  change(what, {condition}, std::move(writes));
  return true;
}

void directory::answered(ticket number,
                         const accepted<certified_answer>& answer,
                         const instant& at) {
  const auto found = asked_.find(number);
  if (found == asked_.end())
    return;
  const auto whose = found->second;
  asked_.erase(found);
  const auto member = links_.find(whose.from);
  if (member == links_.end())
    return;
  member->second.asks_issuer = false;
  if (!answer)
    refuse_request(whose.from, whose.number, answer.error());
  else if (answer->certificates.empty())
    send(whose.from, member->second, request_done{whose.number});
  else
    held_answers_.push_back(
      {whose, item_key(item_kind::certificate, member->second.member.id),
       *answer, at.now + answer_wait});
  go_on(at);
}

void directory::answer_held(time_point now) {
  std::erase_if(held_answers_, [&](const auto& each) {
    const auto* stored = items_.find(each.key);
    const bool is_stored
      = stored != nullptr && *stored == each.answer.certificates.front();
    if (!is_stored && now < each.until)
      return false;
    const auto member = links_.find(each.whose.from);
    if (member != links_.end())
      send(each.whose.from, member->second,
           request_certified{each.whose.number, each.answer.certificates,
                             each.answer.secret});
    return true;
  });
}

std::optional<refused> directory::find_reason_to_wait() const {
  if (!store_.loaded())
    return refused{refusal::unavailable,
                   "the directory has not read its store yet; try again"};
  if (!recovering_.empty())
    return refused{refusal::not_allowed,
                   "the directory gives nothing out until somebody has said "
                   "'weft network recover': "
                     + recovering_};
  if (settings_.issuer.empty()) // the one that has it may be about to start
    return refused{refusal::unavailable,
                   "this directory has no issuer; try another one"};
  if (!issuer_there_)
    return refused{refusal::unavailable,
                   "the directory does not reach its issuer; see whether "
                   "weft-issuer runs there"};
  return std::nullopt;
}

// -- what was lost -----------------------------------------------------------

/// What is still newer than all that is here, after it could have come on its
/// way from issuer and store, and after all was read once more: a watch whose
/// node was cut off tells nothing for a while, and so it seems that all is
/// here.
void directory::judge_shown(const instant& at) {
  const bool is_current = store_.loaded() && store_.trouble().empty()
                          && !bring_through_
                          && (settings_.issuer.empty() || issuer_there_);
  if (!is_current)
    return;
  bool is_late = false;
  for (auto each = shown_.begin(); each != shown_.end();) {
    auto& [key, shown] = *each;
    if (!shown.ready && has_had_its_time(shown, at.now))
      shown.ready = at.now;
    if (!shown.ready) {
      ++each;
      continue;
    }
    network_item item{key, shown.content};
    const auto newer = checker_.is_newer(item, wall_of(at));
    if (newer && *newer && store_.read_since() < shown.ready) {
      is_late = true;
      ++each;
      continue;
    }
    each = shown_.erase(each);
    if (!newer || !*newer)
      continue;
    begin_recovering("a member has shown something newer than the store has ("
                     + store_key_of(item.key)
                     + "), so the store was set back, or lost something");
    lost_.push_back(std::move(item));
  }
  if (is_late)
    store_.read_again(at.now);
}

/// Calls of the store may hang for longer than any grace without failing.  What
/// the issuer had signed by then was not brought, and comes once they go on.
/// So it is while the issuer's directory is away; and without it nothing new is
/// given out that a lost store could contradict.
bool directory::has_had_its_time(const shown_item& shown,
                                 time_point now) const {
  if (settings_.issuer.empty())
    return issuer_elsewhere_
           && now
                >= std::max(shown.since, *issuer_elsewhere_) + grace_elsewhere;
  const auto due = shown.since + grace;
  const bool nothing_comes = issuer_asked_ && now >= asked_at_ + answer_wait;
  return now >= due && (nothing_comes || all_brought_ >= due);
}

void directory::begin_recovering(std::string why) {
  if (!recovering_.empty())
    return;
  recovering_ = std::move(why);
  mark_to_write_ = true;
  steps_.emplace_back(began_recovering{recovering_});
}

bool directory::take_over_lost(const instant& at) {
  while (!lost_.empty()) {
    const auto& item = lost_.front();
    const auto newer = checker_.is_newer(item, wall_of(at));
    if (!newer || !*newer) {
      lost_.pop_front(); // it is here
      continue;
    }
    const auto key = store_key_of(item.key);
    change(taking_over{}, {store_.as_known(key)},
           {{key, to_value(item.content)}});
    return true;
  }
  return false;
}

void directory::recover(const instant& at) {
  recovering_.clear();
  shown_.clear();
  mark_to_write_ = true;
  id_to_renew_ = true;
  go_on(at);
}

} // namespace weft
