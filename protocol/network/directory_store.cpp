// A directory's talk with its store; directory_issued.cpp has that with its
// issuer.
#include "protocol/network/directory.hpp"
#include "protocol/network/directory_parts.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace weft {

using namespace directory_parts;

namespace {

const std::string recovering_key = "meta/recovering";
/// How the store was last called and is now: two ids in hexadecimal.
const std::string renamed_key = "meta/renamed";
/// How often one bucket is looked through for what has ended: all in an hour.
constexpr std::chrono::seconds look_through_interval{14};
/// Of entries of the store.
constexpr std::size_t most_known
  = 2 * (directory::most_member_items + directory::most_issuer_items);
/// Of changes of one record.
constexpr unsigned most_failed = 3;

template <class... Each>
struct overloaded : Each... {
  using Each::operator()...;
};
template <class... Each>
overloaded(Each...) -> overloaded<Each...>;

byte_vector to_content(const std::string& value) {
  const auto bytes = bytes_of(value);
  return {bytes.begin(), bytes.end()};
}

std::uint64_t to_number(const std::string& text) {
  std::uint64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc{} && read.ptr == end ? number : 0;
}

} // namespace

// -- what the store says -----------------------------------------------------

void directory::opened(const store_id& id, const instant& at) {
  open_ = true;
  reached_ = true;
  id_ = id;
  mark_told_.reset();
  mark_at_ = 0;
  if (const auto outcome = store_.opened(at.now))
    settle(*outcome, at);
  go_on(at);
}

void directory::listed(const store_result<store_page>& page,
                       const instant& at) {
  store_.listed(page, at.now);
  go_on(at);
  if (shown_.empty())
    return;
  judge_shown(at); // it may have waited for this
  go_on(at);
}

void directory::told(const store_result<store_news>& news, const instant& at) {
  store_.told(news, at.now);
  go_on(at);
}

void directory::changed(const store_result<change_outcome>& result,
                        const instant& at) {
  if (const auto outcome = store_.changed(result, at.now))
    settle(*outcome, at);
  go_on(at);
}

void directory::renamed(const store_result<store_id>& id, const instant& at) {
  if (id) {
    renaming_to_write_ = to_hex_text(id_) + to_hex_text(*id);
    id_ = *id;
  } else {
    id_to_renew_ = true;
    change_at_ = at.now + pause_after_error;
  }
  go_on(at);
}

void directory::reached(bool is_so, const instant& at) {
  reached_ = is_so;
  go_on(at);
}

/// Members that know of another directory go there.
void directory::judge_store(time_point now) {
  if (!store_.loaded() || (reached_ && store_.hears()))
    unheard_since_.reset();
  else
    unheard_since_ = unheard_since_.value_or(now);
  const bool cut_off
    = unheard_since_ && *unheard_since_ + store_patience <= now;
  if (std::exchange(cut_off_, cut_off) == cut_off)
    return;
  const auto frame = frame_of(directory_cut_off{cut_off});
  for (auto& [number, member] : links_) {
    if (member.greeted)
      send(number, member, frame);
  }
}

/// What follows from the call before: news of the store, and what is to be done
/// there next.
void directory::go_on(const instant& at) {
  for (const auto& each : store_.take_news())
    take_entry(each, at);
  judge_store(at.now);
  welcome_early(at);
  answer_held(at.now);
  change_next(at);
  ask_issuer(at);
  for (auto& each : store_.take_steps())
    std::visit([this](auto& one) { steps_.emplace_back(std::move(one)); },
               each);
}

void directory::take_entry(const store_follower::entry_news& news,
                           const instant& at) {
  if (const auto key = item_key_of(news.key)) {
    take_item(*key, news.value, at);
  } else if (!settings_.issuer.empty()
             && news.key == std::string{issued_prefix} + settings_.issuer) {
    issued_through_ = news.value ? to_number(*news.value) : 0;
  } else if (news.key == recovering_key) {
    mark_told_ = {news.value.value_or(""), news.at};
    follow_mark();
  } else if (news.key == renamed_key && news.value) {
    take_renaming(*news.value);
  } else {
    store_.forget(news.key); // whatever it is
  }
}

/// Another directory has begun it or ended it.  What was before this one's own
/// last word counts no more.
void directory::follow_mark() {
  if (!mark_told_ || mark_to_write_ || mark_told_->at <= mark_at_)
    return;
  if (recovering_.empty() && !mark_told_->why.empty())
    steps_.emplace_back(began_recovering{mark_told_->why});
  recovering_ = mark_told_->why;
}

/// Another directory has renewed the store's id.  Only if it was this one: in a
/// store that was restored from a backup it says nothing.
void directory::take_renaming(const std::string& value) {
  const auto former = to_hex_text(id_);
  store_id next;
  if (value.size() == 2 * former.size() && value.starts_with(former)
      && read_hex_text(std::string_view(value).substr(former.size()), next))
    id_ = next;
}

void directory::take_item(const byte_vector& key,
                          const std::optional<std::string>& value,
                          const instant& at) {
  network_item item{key, value ? to_content(*value) : byte_vector{}};
  const auto* held = items_.find(key);
  if (value && is_item(item) && has_room_for(item)) {
    if (held != nullptr && *held == item.content)
      return;
    put_item(std::move(item));
  } else {
    if (value) {
      ++refused_;
      ++passed_over_;
      // What is no item is written over, as long as there is room to know it.
      if (is_item(item) || store_.size() > most_known)
        store_.forget(store_key_of(key));
    }
    if (held == nullptr)
      return;
    erase_item(key);
  }
  if (!links_.empty()) {
    to_push_.insert(key);
    push_at_ = push_at_.value_or(at.now + push_interval);
  }
  if (checker_.follow(key))
    end_removed();
}

namespace {

bool is_of_members(const byte_vector& key) {
  return member_of(key).has_value();
}

} // namespace

/// Instead of the one that is there.
bool directory::has_room_for(const network_item& item) const {
  const bool of_members = is_of_members(item.key);
  const auto& all = of_members ? of_members_ : of_issuers_;
  const auto* held = items_.find(item.key);
  const auto items = all.items + (held == nullptr ? 1 : 0);
  const auto bytes
    = all.bytes + item.content.size() - (held == nullptr ? 0 : held->size());
  return items <= (of_members ? most_member_items : most_issuer_items)
         && bytes <= (of_members ? most_member_bytes : most_issuer_bytes);
}

void directory::put_item(network_item item) {
  erase_item(item.key);
  auto& all = is_of_members(item.key) ? of_members_ : of_issuers_;
  ++all.items;
  all.bytes += item.content.size();
  items_.put(item.key, std::move(item.content));
}

void directory::erase_item(const byte_vector& key) {
  const auto* held = items_.find(key);
  if (held == nullptr)
    return;
  auto& all = is_of_members(key) ? of_members_ : of_issuers_;
  --all.items;
  all.bytes -= held->size();
  items_.erase(key);
}

// -- changes -----------------------------------------------------------------

void directory::change(purpose what, std::vector<store_condition> conditions,
                       std::vector<store_write> writes) {
  under_way_ = std::move(what);
  store_.change(std::move(conditions), std::move(writes));
}

void directory::change_next(const instant& at) {
  if (!store_.can_change() || at.now < change_at_)
    return;
  if (id_to_renew_ && !mark_to_write_) {
    id_to_renew_ = false;
    steps_.emplace_back(renew_store_id{});
  }
  // The most important first.
  static_cast<void>(change_mark() || write_renaming() || bring_issued()
                    || take_over_lost(at) || write_records() || drop_ended());
}

void directory::settle(const store_follower::outcome& outcome,
                       const instant& at) {
  const auto what = std::exchange(under_way_, std::nullopt);
  if (!what)
    return;
  if (outcome.error)
    change_at_ = at.now + pause_after_error;
  std::visit(overloaded{
               [&](const marking& mark) {
                 if (!outcome.applied)
                   return;
                 mark_at_ = outcome.at;
                 if (mark.recovering == !recovering_.empty())
                   mark_to_write_ = false;
                 follow_mark();
               },
               [&](const naming&) {
                 if (outcome.applied)
                   renaming_to_write_.reset();
               },
               [&](const bringing& some) {
                 if (!outcome.applied) {
                   // Somebody else has brought it meanwhile, or there is no
                   // room: from where the store is by then.
                   to_bring_.clear();
                   bring_through_.reset();
                   ask_at_
                     = outcome.error ? at.now + pause_after_error : at.now;
                   return;
                 }
                 to_bring_.erase(to_bring_.begin(),
                                 to_bring_.begin()
                                   + static_cast<std::ptrdiff_t>(some.writes));
                 if (some.last)
                   issued_through_
                     = *std::exchange(bring_through_, std::nullopt);
               },
               [&](const taking_over&) {
                 if (outcome.applied && !lost_.empty())
                   lost_.pop_front();
               },
               [&](const publishing& some) { settle_records(some, outcome); },
               [&](const dropping&) { ended_.clear(); },
             },
             *what);
}

bool directory::change_mark() {
  if (!mark_to_write_)
    return false;
  store_write write{recovering_key, std::nullopt};
  if (!recovering_.empty())
    write.value = recovering_;
  change(marking{!recovering_.empty()}, {}, {std::move(write)});
  return true;
}

bool directory::write_renaming() {
  if (!renaming_to_write_)
    return false;
  change(naming{}, {}, {{renamed_key, renaming_to_write_}});
  return true;
}

// -- records -----------------------------------------------------------------

bool directory::write_records() {
  publishing what;
  std::vector<store_condition> conditions;
  std::vector<store_write> writes;
  while (!record_order_.empty() && writes.size() < most_store_writes) {
    const auto id = record_order_.front();
    auto& waiting = records_.at(id);
    if (waiting.alone && !writes.empty())
      break;
    record_order_.pop_front();
    const auto key = item_key(item_kind::record, id);
    const auto* held = items_.find(key);
    const auto known
      = held != nullptr
          ? member_record::read(*held)
          : accepted<member_record>(refuse(refusal::stale, "there is none"));
    if (known && known->order() >= waiting.order) {
      settle_records({{id}}, {held != nullptr && *held == waiting.bytes, {}});
      continue;
    }
    waiting.under_way = true;
    conditions.push_back(store_.as_known(store_key_of(key)));
    writes.push_back({store_key_of(key), to_value(waiting.bytes)});
    what.members.push_back(id);
    if (waiting.alone)
      break;
  }
  if (writes.empty())
    return false;
  change(std::move(what), std::move(conditions), std::move(writes));
  return true;
}

void directory::settle_records(const publishing& what,
                               const store_follower::outcome& outcome) {
  for (const auto& id : what.members) {
    auto& waiting = records_.at(id);
    if (!outcome.applied && !outcome.error && waiting.under_way) {
      // One of them was changed meanwhile: each again, by itself.
      waiting.under_way = false;
      if (waiting.failed < most_failed) {
        waiting.failed += waiting.alone ? 1 : 0;
        waiting.alone = true;
        record_order_.push_back(id);
        continue;
      }
      refuse_request(waiting.from, waiting.number,
                     {refusal::exhausted,
                      "the directory's store has something in its place that "
                      "the directory does not take"});
      records_.erase(id);
      continue;
    }
    const auto member = links_.find(waiting.from);
    if (outcome.error)
      refuse_request(waiting.from, waiting.number,
                     {refusal::exhausted, outcome.error->message});
    else if (!outcome.applied)
      refuse_request(waiting.from, waiting.number,
                     {refusal::stale, "a newer record is known"});
    else if (member != links_.end())
      send(waiting.from, member->second, request_done{waiting.number});
    records_.erase(id);
  }
}

// -- what has ended ----------------------------------------------------------

bool directory::ends_most(network_time at) const {
  bucket_set all;
  all.set();
  std::size_t certificates = 0;
  std::size_t ended = 0;
  std::optional<bucket_table::place> from = bucket_table::place{};
  while (from) {
    auto page = items_.read(all, *from);
    for (const auto& each : page.items) {
      if (kind_of(each.key) != item_kind::certificate)
        continue;
      const auto end = checker_.end_of(each.content);
      certificates += end ? 1U : 0U;
      ended += end && *end <= at ? 1U : 0U;
    }
    from = page.next;
  }
  return 2 * ended > certificates;
}

void directory::find_ended(const instant& at) {
  if (at.now < look_through_at_ || !ended_.empty() || !store_.loaded()
      || !recovering_.empty())
    return;
  look_through_at_ = at.now + look_through_interval;
  bucket_set one;
  one.set(looked_through_++ % bucket_count);
  // A clock alone makes nothing old.
  const auto now = std::min(wall_of(at), checker_.latest_signed()
                                           + 24 * revocation_interval);
  for (const auto& each : items_.read(one, {}).items) {
    if (kind_of(each.key) != item_kind::certificate)
      continue;
    const auto end = checker_.end_of(each.content);
    if (!end || *end + memory > now)
      continue;
    ended_.push_back(each.key);
    const auto record = item_key(item_kind::record, *member_of(each.key));
    if (items_.find(record) != nullptr)
      ended_.push_back(record);
    if (ended_.size() + 2 > most_store_writes)
      break;
  }
  // Issuer and directory often have one clock: if nearly nobody is left by it,
  // it is wrong.
  if (!ended_.empty() && ends_most(now - memory))
    ended_.clear();
}

bool directory::drop_ended() {
  if (ended_.empty())
    return false;
  std::vector<store_condition> conditions;
  std::vector<store_write> writes;
  for (const auto& each : ended_) {
    conditions.push_back(store_.as_known(store_key_of(each)));
    writes.push_back({store_key_of(each), std::nullopt});
  }
  change(dropping{}, std::move(conditions), std::move(writes));
  return true;
}

} // namespace weft
