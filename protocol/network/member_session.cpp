#include "protocol/network/member_session.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

constexpr std::chrono::seconds compare_interval{1};
constexpr std::chrono::seconds repeat_interval{1};
constexpr std::chrono::seconds repeat_after_refusal{2};

/// Twice as long each time.
duration grown(duration first, unsigned times, duration most) {
  for (unsigned i = 0; i < times && first < most; ++i)
    first *= 2;
  return std::min(first, most);
}

/// Asking again soon would change nothing.
bool lasts(refusal why) {
  return why == refusal::revoked || why == refusal::expired
         || why == refusal::used_twice;
}

constexpr auto cut_off_reason = "it is cut off from its store";

} // namespace

member_session::member_session(const member_id& self,
                               std::vector<directory_address> directories,
                               random_source& random,
                               const std::vector<network_item>& told)
  : self_(self), own_record_key_(item_key(item_kind::record, self)),
    // Members are not to begin all at the same one.
    directories_(std::move(directories), random.next_u32()), random_(random),
    instance_(std::uint64_t{random.next_u32()} << 32 | random.next_u32()) {
  for (const auto& each : told)
    put_told(each);
}

std::vector<member_session::step> member_session::take_steps() {
  return std::exchange(steps_, {});
}

// -- time --------------------------------------------------------------------

void member_session::on_time(time_point now) {
  switch (stage_) {
    case stage::waiting:
      if (dial_at_ <= now && !directories_.empty())
        dial(now);
      return;
    case stage::dialling:
      if (deadline_ <= now)
        hang_up_now("it does not answer", now);
      return;
    case stage::greeting:
      if (deadline_ <= now)
        hang_up_now("it does not say welcome", now);
      return;
    case stage::open:
      break;
  }
  if (heard_ + silence <= now)
    return hang_up_now("nothing was heard of it for "
                         + std::to_string(silence.count()) + " s",
                       now);
  if (comparing_ && deadline_ <= now)
    return hang_up_now("it does not show what it has", now);
  if (directories_.is_to_be_left() && leave_at_ <= now)
    return leave_cut_off(now);
  if (compare_at_ && *compare_at_ <= now && !comparing_)
    compare(now);
  speak(now);
  if (spoke_ + members_ping_interval <= now)
    send(members_ping{}, now);
}

time_point member_session::next_time() const {
  switch (stage_) {
    case stage::waiting:
      return directories_.empty() ? time_point::max() : dial_at_;
    case stage::dialling:
    case stage::greeting:
      return deadline_;
    case stage::open:
      break;
  }
  auto next = std::min(heard_ + silence, spoke_ + members_ping_interval);
  if (comparing_)
    next = std::min(next, deadline_);
  else if (compare_at_)
    next = std::min(next, *compare_at_);
  if (offer_at_ && !comparing_)
    next = std::min(next, *offer_at_);
  if (directories_.is_to_be_left())
    next = std::min(next, leave_at_);
  if (!record_.empty() && !record_is_there_ && !record_is_stale_
      && record_under_ == 0)
    next = std::min(next, record_ == sent_record_
                            ? repeat_at_
                            : std::max(change_at_, repeat_at_));
  return next;
}

// -- connections -------------------------------------------------------------

void member_session::dial(time_point now) {
  const auto* where = directories_.next(now);
  if (where == nullptr)
    return end_round(now);
  where_ = *where;
  stage_ = stage::dialling;
  deadline_ = now + dial_patience;
  steps_.emplace_back(dial_directory{++attempt_, where_});
}

std::optional<std::string>
member_session::meet(attempt number, const verifying_key& who,
                     std::size_t addresses) {
  if (number != attempt_ || stage_ != stage::dialling
      || directories_.meet(who, addresses))
    return std::nullopt;
  return "others are asked first";
}

void member_session::connected(attempt number, time_point now) {
  if (number != attempt_ || stage_ != stage::dialling)
    return;
  stage_ = stage::greeting;
  deadline_ = now + answer_patience;
  heard_ = now;
  reader_ = frame_reader{most_directory_frame_bytes};
  send(member_hello{members_version, instance_}, now);
}

void member_session::lost(attempt number, std::string why, time_point now) {
  if (number == attempt_ && stage_ != stage::waiting)
    end(std::move(why), now);
}

void member_session::hang_up_now(std::string why, time_point now,
                                 std::optional<refusal> as) {
  steps_.emplace_back(hang_up{attempt_, why});
  end(std::move(why), now, as);
}

/// The connection is no more, or the attempt.
void member_session::end(std::string why, time_point now,
                         std::optional<refusal> as) {
  const bool was_open = stage_ == stage::open;
  stage_ = stage::waiting;
  comparing_ = false;
  compare_at_.reset();
  compared_.clear();
  record_under_ = 0;
  record_is_there_ = false;
  offered_.clear();
  offered_large_.clear();
  offer_at_.reset();
  for (auto& [number, request] : requests_)
    request.sent = false;
  if (was_open) {
    steps_.emplace_back(directory_lost{where_, std::move(why), as});
    // All of them may have lost it at once.
    const auto most
      = std::chrono::duration_cast<std::chrono::milliseconds>(spread());
    dial_at_
      = now
        + std::chrono::milliseconds{
          random_.next_u32() % static_cast<std::uint32_t>(most.count() + 1)};
    return;
  }
  steps_.emplace_back(directory_missed{where_, std::move(why), as});
  dial_at_ = now;
  if (directories_.miss())
    end_round(now);
}

void member_session::end_round(time_point now) {
  dial_at_ = directories_.end_round() ? now : now + wait_after_round();
}

// -- directories that are cut off from their store ---------------------------

void member_session::leave_cut_off(time_point now) {
  directories_.leave_cut_off();
  hang_up_now(cut_off_reason, now);
}

void member_session::take(const directory_cut_off& said, time_point now) {
  directories_.set_cut_off(said.is_so);
  if (!said.is_so)
    leave_at_ = std::min<time_point>(leave_at_, now + stay_after_return);
  steps_.emplace_back(cut_off_changed{said.is_so});
  if (directories_.is_to_be_left() && leave_at_ <= now)
    leave_cut_off(now);
}

/// All directories come to be asked by how many there may be of us.
duration member_session::spread() const {
  const auto wanted
    = shortest_spread + spread_for_item * static_cast<int>(told_.size());
  return std::min<duration>(wanted, longest_spread);
}

duration member_session::wait_after_round() {
  const auto most = std::max<duration>(longest_wait, spread());
  const auto wait = grown(first_wait, missed_rounds_++, most);
  const auto half
    = std::chrono::duration_cast<std::chrono::milliseconds>(wait / 2);
  return half
         + std::chrono::milliseconds{
           random_.next_u32() % static_cast<std::uint32_t>(half.count() + 1)};
}

void member_session::hurry(time_point now) {
  if (stage_ == stage::waiting)
    dial_at_ = now;
}

bool member_session::change_directory(std::string why, time_point now) {
  if (stage_ != stage::open || directories_.is_alone())
    return false;
  directories_.leave();
  hang_up_now(std::move(why), now);
  hurry(now);
  return true;
}

void member_session::send(const member_message& message, time_point now) {
  spoke_ = now;
  steps_.emplace_back(send_frame{encode_frame(message)});
}

void member_session::received(attempt number, const_byte_span bytes,
                              time_point now) {
  if (number != attempt_ || stage_ < stage::greeting)
    return;
  heard_ = now;
  reader_.append(bytes);
  // A frame may end the connection.
  while (number == attempt_ && stage_ >= stage::greeting) {
    const auto frame = reader_.next();
    if (!frame)
      return hang_up_now(frame.error().what, now);
    if (!*frame)
      return;
    take_frame(**frame, now);
  }
}

// -- what the directory says -------------------------------------------------

void member_session::take_frame(const_byte_span frame, time_point now) {
  auto message = read_directory_message(frame);
  if (!message)
    return hang_up_now(message.error().what, now);
  if (!*message)
    return; // of a later version
  const bool is_early = stage_ == stage::greeting
                        && !std::holds_alternative<directory_welcome>(**message)
                        && !std::holds_alternative<request_refused>(**message)
                        && !std::holds_alternative<members_pong>(**message);
  if (is_early)
    return hang_up_now("it does not say welcome first", now);
  std::visit([&](auto& said) { take(std::move(said), now); }, **message);
  if (told_.size() > most_told_items || told_bytes_ > most_told_bytes
      || compared_.size() > most_told_items) {
    told_ = {};
    told_bytes_ = 0;
    hang_up_now("it tells of more than a network may have", now);
  }
}

void member_session::take(directory_welcome said, time_point now) {
  if (stage_ != stage::greeting)
    return hang_up_now("it says welcome again", now);
  if (said.version < oldest_members_version || said.version > members_version)
    return hang_up_now("it speaks version " + std::to_string(said.version)
                         + " of the members' protocol; update weft",
                       now);
  if (!directories_.welcome(said.cut_off))
    return hang_up_now(cut_off_reason, now);
  if (directories_.is_to_be_left()) {
    const auto most = static_cast<std::uint32_t>(
      std::chrono::milliseconds{stay_cut_off}.count());
    leave_at_ = now + stay_cut_off
                + std::chrono::milliseconds{random_.next_u32() % (most + 1)};
  }
  stage_ = stage::open;
  missed_rounds_ = 0;
  record_is_there_ = !record_.empty() && said.last_record == record_;
  steps_.emplace_back(directory_found{where_, said.store, said.recovering,
                                      said.cut_off,
                                      std::move(said.last_record)});
  compare(now);
  speak(now);
}

void member_session::compare(time_point now) {
  comparing_ = true;
  compare_at_.reset();
  compared_.clear();
  pages_ = 0;
  deadline_ = now + answer_patience;
  send(compare_items{told_.digests()}, now);
}

void member_session::take(items_page said, time_point now) {
  if (!comparing_)
    return hang_up_now("it shows what it was not asked for", now);
  if (++pages_ > most_pages)
    return hang_up_now("it shows more than a network may have", now);
  for (const auto& each : said.items)
    compared_.insert(each.key);
  std::vector<byte_vector> gone;
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
    if (!said.buckets[bucket])
      continue;
    for (auto& key : told_.keys_in(bucket)) {
      if (compared_.count(key) == 0)
        gone.push_back(std::move(key));
    }
  }
  apply(std::move(said.items), std::move(gone));
  deadline_ = now + answer_patience;
  if (!said.last)
    return send(next_page{}, now);
  comparing_ = false;
  compared_.clear();
  offer_at_ = now + offer_delay;
  steps_.emplace_back(up_to_date{said.revision});
}

void member_session::take(items_changed said, time_point) {
  if (comparing_) {
    for (const auto& each : said.items)
      compared_.insert(each.key);
  }
  apply(std::move(said.items), std::move(said.gone));
}

void member_session::take(const compare_again&, time_point now) {
  compare_at_ = now + compare_interval;
}

void member_session::take(const request_done& said, time_point) {
  if (said.number != 0 && said.number == record_under_) {
    record_under_ = 0;
    record_is_there_ = sent_record_ == record_;
    return;
  }
  answer(said.number, std::vector<byte_vector>{});
}

void member_session::take(const request_certified& said, time_point) {
  answer(said.number, said.certificates, said.secret);
}

void member_session::take(const request_refused& said, time_point now) {
  if (said.number == 0) {
    if (lasts(said.why.why))
      directories_.refuse(now);
    return hang_up_now("it refuses: " + said.why.what, now, said.why.why);
  }
  if (said.number != record_under_)
    return answer(said.number, tl::unexpected(said.why));
  record_under_ = 0;
  record_is_stale_ = said.why.why == refusal::stale && sent_record_ == record_;
  repeat_at_ = now + repeat_after_refusal;
  steps_.emplace_back(record_refused{said.why});
}

void member_session::take(const endpoint_seen& said, time_point) {
  steps_.emplace_back(own_endpoint_seen{said.where});
}

void member_session::take(const members_pong&, time_point) {
}

/// In order and once for each offer.
void member_session::take(const want_part& said, time_point now) {
  const auto offer = offered_large_.find(said.key);
  const auto item
    = std::find_if(held_.begin(), held_.end(),
                   [&](const auto& each) { return each.key == said.key; });
  if (offer == offered_large_.end() || item == held_.end()
      || said.at != offer->second.sent || said.at >= item->content.size())
    return;
  const auto rest = const_byte_span(item->content).subspan(offer->second.sent);
  const auto part = rest.first(std::min(rest.size(), most_offered_bytes));
  offer->second.sent += part.size();
  send(offer_part{said.key, said.at, {part.begin(), part.end()}}, now);
}

void member_session::answer(std::uint64_t number,
                            accepted<std::vector<byte_vector>> result,
                            std::optional<sealed_secret> secret) {
  if (requests_.erase(number) != 0)
    steps_.emplace_back(
      request_answered{number, std::move(result), std::move(secret)});
}

// -- the mirror --------------------------------------------------------------

/// True: it is new, or another one than before.
bool member_session::put_told(const network_item& item) {
  const auto* known = told_.find(item.key);
  if (known != nullptr && *known == item.content)
    return false;
  erase_told(item.key);
  told_bytes_ += item.key.size() + item.content.size();
  told_.put(item.key, item.content);
  return true;
}

bool member_session::erase_told(const byte_vector& key) {
  const auto* known = told_.find(key);
  if (known == nullptr)
    return false;
  told_bytes_ -= key.size() + known->size();
  told_.erase(key);
  return true;
}

void member_session::apply(std::vector<network_item> items,
                           std::vector<byte_vector> gone) {
  take_items news;
  for (auto& each : items) {
    // Kinds of a later version are kept for the comparison, and not used.
    if (!put_told(each) || !is_item(each))
      continue;
    notice_own_record(each.key);
    news.items.push_back(std::move(each));
  }
  for (auto& key : gone) {
    if (!erase_told(key))
      continue;
    notice_own_record(key);
    news.gone.push_back(std::move(key));
  }
  if (!news.items.empty() || !news.gone.empty())
    steps_.emplace_back(std::move(news));
}

/// A directory that has another one than this node's is told again.
void member_session::notice_own_record(const byte_vector& key) {
  if (key != own_record_key_)
    return;
  const auto* told = told_.find(key);
  record_is_there_ = told != nullptr && *told == record_;
}

// -- what it is told ---------------------------------------------------------

void member_session::publish(byte_vector record, time_point now) {
  if (record == record_)
    return;
  record_ = std::move(record);
  record_is_there_ = false;
  record_is_stale_ = false;
  speak(now);
}

std::uint64_t member_session::renew(byte_vector request, time_point now) {
  requests_.emplace(++last_number_,
                    own_request{false, std::move(request), false});
  const auto number = last_number_;
  speak(now);
  return number;
}

std::uint64_t member_session::leave(byte_vector request, time_point now) {
  requests_.emplace(++last_number_,
                    own_request{true, std::move(request), false});
  const auto number = last_number_;
  speak(now);
  return number;
}

void member_session::give_up(std::uint64_t request) {
  requests_.erase(request);
}

void member_session::set_held(std::vector<network_item> items, time_point now) {
  held_ = std::move(items);
  offered_.clear();
  offered_large_.clear();
  if (stage_ == stage::open && !offer_at_)
    offer_at_ = now + offer_delay;
}

/// Whatever is due.
void member_session::speak(time_point now) {
  if (stage_ != stage::open)
    return;
  for (auto& [number, request] : requests_) {
    if (std::exchange(request.sent, true))
      continue;
    if (request.leaves)
      send(leave_network{number, request.bytes}, now);
    else
      send(renew_certificate{number, request.bytes}, now);
  }
  speak_of_record(now);
  offer_held(now);
}

void member_session::speak_of_record(time_point now) {
  if (record_.empty() || record_is_there_ || record_is_stale_
      || record_under_ != 0 || now < repeat_at_)
    return;
  const bool is_change = record_ != sent_record_;
  if (is_change && now < change_at_)
    return;
  if (is_change)
    change_at_ = now + publish_interval;
  repeat_at_ = now + repeat_interval;
  sent_record_ = record_;
  record_under_ = ++last_number_;
  send(publish_record{record_under_, record_}, now);
}

void member_session::offer_held(time_point now) {
  if (!offer_at_ || now < *offer_at_ || comparing_)
    return;
  std::optional<time_point> later;
  offer_items offer;
  std::size_t bytes = 0;
  for (const auto& each : held_) {
    const auto* told = told_.find(each.key);
    const auto size = each.key.size() + each.content.size();
    if ((told != nullptr && *told == each.content)
        || offered_.count(each.key) != 0)
      continue;
    if (size > most_offered_bytes) {
      const auto again = offer_large_item(each, now);
      later = std::min(later.value_or(again), again);
      continue;
    }
    if (offer.items.size() >= most_offered_items
        || bytes + size > most_offered_bytes) {
      later = std::min(later.value_or(now + offer_delay),
                       now + offer_delay); // the others
      break;
    }
    bytes += size;
    offered_.insert(each.key);
    offer.items.push_back(each);
  }
  offer_at_ = later;
  if (!offer.items.empty())
    send(offer, now);
}

/// When it may be offered again.
time_point
member_session::offer_large_item(const network_item& item, time_point now) {
  const auto offered = offered_large_.find(item.key);
  if (offered != offered_large_.end() && now < offered->second.at + offer_again)
    return offered->second.at + offer_again;
  offered_large_[item.key] = {0, now};
  send(offer_large{item.key, item.content.size(), sha256({item.content})}, now);
  return now + offer_again;
}

} // namespace weft
