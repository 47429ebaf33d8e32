// A directory's talk with its members; directory_telling.cpp has what it tells
// them, directory_store.cpp and directory_issued.cpp the rest.
#include "protocol/network/directory.hpp"

#include "protocol/network/directory_parts.hpp"

#include <algorithm>
#include <utility>

namespace weft {

using namespace directory_parts;

namespace {

constexpr std::chrono::seconds look_interval{5};
constexpr std::chrono::seconds soon{1};
/// Requests that the issuer has at once.
constexpr std::size_t most_asked = 1024;

} // namespace

directory::directory(settings given, item_judge judge, random_source& random)
  : settings_(std::move(given)), store_(random),
    checker_(settings_.root, std::move(judge), items_) {
}

std::vector<directory::step> directory::take_steps() {
  return std::exchange(steps_, {});
}

// -- time --------------------------------------------------------------------

void directory::on_time(const instant& at) {
  store_.on_time(at.now);
  if (open_ && present_at_ <= at.now) {
    present_at_ = at.now + presence_interval;
    steps_.emplace_back(keep_presence{});
  }
  if (look_at_ <= at.now) {
    look_at_ = at.now + look_interval;
    end_silent(at);
    std::erase_if(published_, [&](const auto& each) {
      return each.second + publish_interval <= at.now;
    });
    std::erase_if(displaced_, [&](const auto& each) {
      return each.second.at + displaced_memory <= at.now;
    });
  }
  judge_shown(at);
  find_ended(at);
  go_on(at);
  send_late_pages(at.now);
  if (push_at_ && *push_at_ <= at.now) {
    push_changes();
    push_at_.reset();
    if (!to_push_.empty())
      push_at_ = at.now + push_interval;
  }
  seen_at_ = at.now;
}

time_point directory::next_time() const {
  auto next = std::min({look_at_, store_.next_time(),
                        open_ ? present_at_ : time_point::max(),
                        push_at_.value_or(time_point::max())});
  if (unheard_since_ && !cut_off_)
    next = std::min(next, *unheard_since_ + store_patience);
  const bool waits = !shown_.empty() || !held_answers_.empty()
                     || !late_pages_.empty() || !early_.empty()
                     || (issuer_there_ && !issuer_asked_)
                     || change_at_ > seen_at_;
  if (waits)
    next = std::min(next, seen_at_ + soon);
  return next;
}

/// Who has said nothing for too long, and whose certificate has ended.
void directory::end_silent(const instant& at) {
  end_those([&](const link& member) -> std::optional<refused> {
    if (member.outdated && member.since + outdated_stay <= at.now)
      return refused{refusal::stale, "the certificate of '" + member.member.name
                                       + "' was renewed by another one"};
    if (member.heard + silence <= at.now)
      return refused{refusal::not_allowed, "nothing was heard of it"};
    if (member.until <= wall_of(at))
      return refused{refusal::expired, "the certificate of '"
                                         + member.member.name + "' has ended"};
    return std::nullopt;
  });
}

void directory::end_removed() {
  end_those([&](const link& member) -> std::optional<refused> {
    if (checker_.is_removed(member.issuer, member.member.id))
      return refused{refusal::revoked, "'" + member.member.name
                                         + "' was removed from the network"};
    return std::nullopt;
  });
}

template <class Reason>
void directory::end_those(Reason find_reason) {
  std::vector<std::pair<connection, refused>> ended;
  for (const auto& [number, member] : links_) {
    if (auto why = find_reason(member))
      ended.emplace_back(number, std::move(*why));
  }
  for (auto& [number, why] : ended)
    refuse_connection(number, std::move(why));
}

// -- connections -------------------------------------------------------------

void directory::connected(connection number, const verified_certificate& member,
                          const instant& at) {
  const auto& contents = member.contents;
  auto& made = links_[number];
  made = {};
  made.member = {contents.name, contents.id, member.key, contents.generation};
  made.issuer = member.issuer;
  made.until = member.until;
  made.heard = made.since = at.now;
  if (links_.size() > settings_.most_connections)
    return refuse_connection(number,
                             {refusal::exhausted,
                              "the directory has as many connections as it may "
                              "have; try another one"});
  if (checker_.is_removed(member.issuer, contents.id))
    return refuse_connection(
      number, {refusal::revoked,
               "'" + contents.name + "' was removed from the network"});
  if (member.until <= wall_of(at))
    return refuse_connection(number, {refusal::expired, "the certificate of '"
                                                          + contents.name
                                                          + "' has ended"});
  // Whoever has the key of before does not end the member's own connection.
  const auto held = checker_.held_signer(member.issuer, contents.id);
  made.outdated = held && contents.generation < held->generation;
  auto& places = place_of(made);
  const auto before = places.find(contents.id);
  if (before != places.end()) {
    made.displaced = links_.at(before->second).instance;
    refuse_connection(before->second, reason_to_displace(made));
  }
  places[contents.id] = number;
}

refused directory::reason_to_displace(const link& member) const {
  const auto& name = member.member.name;
  const auto found = displaced_.find(member.member.id);
  if (found == displaced_.end() || !found->second.twice)
    return {refusal::stale, "'" + name + "' has connected once more"};
  return {refusal::used_twice,
          "the files of '" + name
            + "' are on two machines, which end each other's connections: on "
              "one of them 'weft network leave --force', then 'weft network "
              "join' with a token"};
}

/// A process that was started anew does not come back as the one before: two
/// that come by turns both run.
void directory::note_displaced(link& member, time_point now) {
  const auto former = std::exchange(member.displaced, 0);
  if (former == 0 || member.instance == 0 || former == member.instance)
    return;
  const auto& id = member.member.id;
  if (displaced_.size() >= most_displaced && displaced_.count(id) == 0)
    return;
  auto& known = displaced_[id];
  if (known.former == member.instance && !std::exchange(known.twice, true))
    steps_.emplace_back(found_twice{member.member.name});
  known.former = former;
  known.at = now;
}

directory::members& directory::place_of(const link& member) {
  return member.outdated ? outdated_ : by_member_;
}

void directory::disconnected(connection number) {
  const auto found = links_.find(number);
  if (found == links_.end())
    return;
  auto& places = place_of(found->second);
  const auto member = places.find(found->second.member.id);
  if (member != places.end() && member->second == number)
    places.erase(member);
  links_.erase(found);
  early_.erase(number);
  late_pages_.erase(number);
  in_parts_.erase(number);
}

void directory::refuse_connection(connection number, refused why) {
  const auto found = links_.find(number);
  if (found == links_.end())
    return;
  send(number, found->second, request_refused{0, why});
  steps_.emplace_back(end_connection{number, std::move(why)});
  disconnected(number);
}

void directory::refuse_request(connection to, std::uint64_t number,
                               refused why) {
  ++refused_;
  const auto found = links_.find(to);
  if (found != links_.end())
    send(to, found->second, request_refused{number, std::move(why)});
}

void directory::send(connection to, link& member,
                     const directory_message& message) {
  send(to, member, frame_of(message));
}

void directory::send(connection to, link& member, const shared_frame& frame) {
  member.queued += frame->size();
  steps_.emplace_back(send_frame{to, frame});
}

void directory::queued(connection number, std::size_t bytes,
                       const instant& at) {
  const auto found = links_.find(number);
  if (found == links_.end())
    return;
  auto& member = found->second;
  member.queued = bytes;
  if (member.wants_page && bytes <= most_queued_bytes / 2)
    send_page(number, member, at.now);
  if (member.behind && bytes == 0) {
    member.behind = false;
    send(number, member, compare_again{});
  }
}

void directory::seen(const member_id& member, const endpoint& where) {
  const auto found = by_member_.find(member);
  if (found != by_member_.end() && links_.at(found->second).greeted)
    send(found->second, links_.at(found->second), endpoint_seen{where});
}

// -- what members say --------------------------------------------------------

void directory::received(connection number, const_byte_span frame,
                         const instant& at) {
  const auto found = links_.find(number);
  if (found == links_.end())
    return;
  auto& member = found->second;
  member.heard = at.now;
  if (!member.frames.take(at.now))
    return refuse_connection(number, {refusal::not_allowed,
                                      "more messages than a member may send"});
  const auto message = read_member_message(frame);
  if (!message) {
    ++refused_;
    return refuse_connection(number, message.error());
  }
  if (!*message)
    return; // of a later version
  const bool is_early = !member.greeted
                        && !std::holds_alternative<member_hello>(**message)
                        && !std::holds_alternative<members_ping>(**message);
  if (is_early)
    return refuse_connection(number,
                             {refusal::malformed, "a hello comes first"});
  if (member.outdated && std::holds_alternative<compare_items>(**message)) {
    // Nothing that is told, so that its request comes after it.
    send(number, member, items_page{{}, {}, true, store_.revision()});
    return;
  }
  const bool is_of_outdated
    = std::holds_alternative<member_hello>(**message)
      || std::holds_alternative<members_ping>(**message)
      || std::holds_alternative<renew_certificate>(**message);
  if (member.outdated && !is_of_outdated)
    return;
  std::visit([&](const auto& said) { take(number, member, said, at); },
             **message);
  go_on(at);
}

void directory::take(connection from, link& member, const member_hello& said,
                     const instant& at) {
  const auto version = std::min(said.version, members_version);
  if (version < oldest_members_version)
    return refuse_connection(
      from,
      {refusal::not_allowed,
       "the directory speaks version " + std::to_string(oldest_members_version)
         + " of the members' protocol and later ones; update weft"});
  if (!store_.loaded()) {
    early_.emplace(from, early_hello{said, at.now + welcome_wait});
    return;
  }
  member.greeted = true;
  member.instance = said.instance;
  note_displaced(member, at.now);
  const auto* record
    = items_.find(item_key(item_kind::record, member.member.id));
  send(from, member,
       directory_welcome{version, id_, store_.revision(), !recovering_.empty(),
                         record != nullptr ? *record : byte_vector{},
                         cut_off_});
}

/// Those that said hello before the store was read: once it is, or no longer
/// than they wait for it.
void directory::welcome_early(const instant& at) {
  for (auto& [number, hello] : std::exchange(early_, {})) {
    const auto found = links_.find(number);
    if (found == links_.end())
      continue;
    if (store_.loaded())
      take(number, found->second, hello.said, at);
    else if (hello.until <= at.now)
      refuse_connection(number, {refusal::not_allowed,
                                 "the directory has not read its store yet; "
                                 "try another one"});
    else
      early_.emplace(number, hello);
  }
}

void directory::take(connection from, link& member, const members_ping&,
                     const instant&) {
  static const auto pong = frame_of(members_pong{});
  send(from, member, pong);
}

// -- what members give -------------------------------------------------------

/// Bounds what costs the directory more than a look.
bool directory::may_ask(connection from, link& member, const instant& at) {
  if (member.requests.take(at.now))
    return true;
  refuse_connection(from, {refusal::not_allowed,
                           "more requests than a member may make"});
  return false;
}

void directory::take(connection from, link& member, const offer_items& said,
                     const instant& at) {
  if (!may_ask(from, member, at))
    return;
  for (const auto& each : said.items) {
    const auto known = shown_.find(each.key);
    const bool is_known
      = known != shown_.end() && known->second.content == each.content;
    const auto* held = items_.find(each.key);
    if (is_known || (held != nullptr && *held == each.content))
      continue;
    if ((known == shown_.end() && shown_.size() >= most_shown)
        || !member.looks.take(at.now) || !looks_.take(at.now))
      return; // others will show it as well
    const auto newer = checker_.is_newer(each, wall_of(at));
    if (!newer)
      ++refused_;
    else if (*newer)
      shown_.insert_or_assign(each.key, shown_item{each.content, at.now});
  }
}

void directory::take(connection from, link& member, const offer_large& said,
                     const instant& at) {
  if (!may_ask(from, member, at))
    return;
  std::erase_if(in_parts_, [&](const auto& each) {
    return each.second.since + parts_patience <= at.now;
  });
  const auto kind = kind_of(said.key);
  const auto is_it = [&](const byte_vector& content) {
    return content.size() == said.size && sha256({content}) == said.digest;
  };
  const auto known = shown_.find(said.key);
  const auto* held = items_.find(said.key);
  const bool is_known = (known != shown_.end() && is_it(known->second.content))
                        || (held != nullptr && is_it(*held));
  if (!kind || said.size == 0 || said.size > most_item_bytes(*kind) || is_known
      || (in_parts_.size() >= most_in_parts && in_parts_.count(from) == 0))
    return;
  in_parts_[from] = {{said.key, {}}, said.size, said.digest, at.now};
  send(from, member, want_part{said.key, 0});
}

void directory::take(connection from, link& member, const offer_part& said,
                     const instant& at) {
  const auto found = in_parts_.find(from);
  if (found == in_parts_.end())
    return;
  auto& [item, size, digest, since] = found->second;
  const bool fits = item.key == said.key && item.content.size() == said.at
                    && !said.bytes.empty()
                    && said.bytes.size() <= size - item.content.size();
  if (fits)
    item.content.insert(item.content.end(), said.bytes.begin(),
                        said.bytes.end());
  if (fits && item.content.size() < size)
    return send(from, member, want_part{item.key, item.content.size()});
  const auto whole = std::move(item);
  const bool is_it = fits && sha256({whole.content}) == digest;
  in_parts_.erase(found);
  if (is_it)
    take(from, member, offer_items{{whole}}, at);
}

void directory::take(connection from, link& member, const publish_record& said,
                     const instant& at) {
  if (!may_ask(from, member, at))
    return;
  const auto record = member_record::read(said.record);
  if (!record)
    return refuse_request(from, said.number, record.error());
  const auto& id = member.member.id;
  const auto* held = items_.find(item_key(item_kind::record, id));
  if (held != nullptr && *held == said.record)
    return send(from, member, request_done{said.number});
  const auto waiting = records_.find(id);
  if (waiting != records_.end() && waiting->second.bytes == said.record) {
    waiting->second.from = from;
    waiting->second.number = said.number;
    return;
  }
  if (member.member.generation < record->order().generation) {
    // It has renewed its certificate since it connected.
    if (auto renewed = checker_.held_signer(member.issuer, id))
      member.member = std::move(*renewed);
  }
  if (auto wrong = find_reason_against(member, *record, at))
    return refuse_request(from, said.number, std::move(*wrong));
  published_[id] = at.now;
  records_.emplace(id, waiting_record{from, said.number, said.record,
                                      record->order()});
  record_order_.push_back(id);
}

std::optional<refused>
directory::find_reason_against(const link& member, const member_record& record,
                               const instant& at) const {
  if (auto wrong = checker_.find_mistake_in(record, member.member))
    return wrong;
  const auto& id = member.member.id;
  const auto* held = items_.find(item_key(item_kind::record, id));
  if (held != nullptr) {
    const auto known = member_record::read(*held);
    if (known && known->order() >= record.order())
      return refused{refusal::stale,
                     "a newer record of '" + member.member.name + "' is known"};
  }
  const auto last = published_.find(id);
  const bool is_soon
    = last != published_.end()
      && at.now < last->second + publish_interval - publish_leeway;
  if (is_soon || records_.count(id) != 0)
    return refused{refusal::exhausted,
                   "a record may change once in "
                     + std::to_string(publish_interval.count()) + " s"};
  if (records_.size() >= most_waiting_records)
    return refused{refusal::exhausted,
                   "more records wait for the store than may"};
  return std::nullopt;
}

void directory::take(connection from, link& member,
                     const renew_certificate& said, const instant& at) {
  if (!may_ask(from, member, at))
    return;
  if (auto wait = find_reason_to_wait())
    return refuse_request(from, said.number, std::move(*wait));
  ask_for<renewal_request>(from, member, said.number, said.request);
}

void directory::take(connection from, link& member, const leave_network& said,
                     const instant& at) {
  if (!may_ask(from, member, at))
    return;
  ask_for<leave_request>(from, member, said.number, said.request);
}

/// Passes a request to the issuer, if it is the member's for itself.
template <class Request>
void directory::ask_for(connection from, link& member, std::uint64_t number,
                        const byte_vector& request) {
  const auto asked = read_own_request(request);
  if (!asked)
    return refuse_request(from, number, asked.error());
  const auto* what = std::get_if<Request>(&*asked);
  if (what == nullptr || what->network != settings_.root.network
      || what->member != member.member.id)
    return refuse_request(from, number,
                          {refusal::not_allowed,
                           "a member asks for itself and nothing else"});
  if (!is_own_request_signed_by(member.member.key, request))
    return refuse_request(from, number,
                          {refusal::bad_signature,
                           "the request is not signed by its member"});
  if (!issuer_there_ || member.issuer != settings_.issuer)
    return refuse_request(from, number,
                          {refusal::not_allowed,
                           "the issuer of '" + member.member.name
                             + "' is not reached from this directory; try "
                               "another one"});
  if (member.asks_issuer || asked_.size() >= most_asked)
    return refuse_request(from, number,
                          {refusal::exhausted, "one request at a time"});
  member.asks_issuer = true;
  asked_.emplace(++last_ticket_, asked_for{from, number});
  steps_.emplace_back(ask_for_member{last_ticket_, request});
}

// -- what is asked -----------------------------------------------------------

directory::state directory::look() const {
  return {store_.loaded(),
          id_,
          store_.revision(),
          store_.trouble().empty() && passed_over_ != 0
            ? "the store has something that is no item of a network, or more "
              "than a network may have: "
                + std::to_string(passed_over_) + " times passed over"
            : store_.trouble(),
          cut_off_,
          items_.size(),
          links_.size(),
          records_.size() + to_bring_.size() + lost_.size(),
          refused_,
          issued_through_};
}

std::vector<member_id> directory::present() const {
  std::vector<member_id> here;
  here.reserve(by_member_.size());
  for (const auto& [id, number] : by_member_)
    here.push_back(id);
  return here;
}

} // namespace weft
