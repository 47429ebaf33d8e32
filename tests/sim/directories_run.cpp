#include "protocol/network/ranges.hpp"
#include "protocol/network/renewal.hpp"
#include "tests/sim/directories.hpp"

#include <sstream>

namespace weft::test {

namespace {

constexpr auto never = std::chrono::milliseconds::max();
constexpr std::size_t most_items_of_answer = 100;

std::chrono::milliseconds milliseconds_of(time_point when) {
  // Rounded up, so that what is due is due.
  return std::chrono::ceil<std::chrono::milliseconds>(when.time_since_epoch());
}

directory_address address_of(std::size_t directory) {
  return {"directory-" + std::to_string(directory), 1};
}

} // namespace

byte_vector to_bytes(const verified_issuer& issuer, const signing_seed& root) {
  const auto seconds = [](network_time when) {
    return number_bytes(
      static_cast<std::uint64_t>(when.time_since_epoch().count()));
  };
  auto whole = joined({issuer.key.bytes, seconds(issuer.from),
                       seconds(issuer.until), bytes_of(issuer.contents.name)});
  const auto made = sign(root, whole);
  whole.insert(whole.end(), made.begin(), made.end());
  return whole;
}

item_judge judge_of(const verified_issuer& issuer, const signing_seed& root) {
  const auto right = to_bytes(issuer, root);
  item_judge judge;
  judge.issuer = [=](const_byte_span der) -> accepted<verified_issuer> {
    if (!std::equal(der.begin(), der.end(), right.begin(), right.end()))
      return refuse(refusal::bad_signature, "not signed by the root");
    return issuer;
  };
  judge.member = [=](const_byte_span der,
                     const_byte_span) -> accepted<verified_certificate> {
    auto member = to_certificate({der.begin(), der.end()}, issuer);
    if (!member)
      return refuse(refusal::bad_signature, "not signed by the issuer");
    return *member;
  };
  return judge;
}

directories_run::directories_run(std::uint64_t seed, std::size_t directories,
                                 std::size_t members, std::size_t with_view)
  : random_(seed), root_seed_(draw_signing_seed(random_)),
    issuer_seed_(draw_signing_seed(random_)),
    rogue_seed_(draw_signing_seed(random_)), verified_{some_issuer(),
                                                       derive_verifying_key(
                                                         issuer_seed_),
                                                       noon - 24h,
                                                       noon + 24h * 365},
    issuer_bytes_(to_bytes(verified_, root_seed_)),
    token_(draw_signing_seed(random_)),
    ephemeral_(generate_private_key(random_)) {
  random_.fill(store_.id);
  journal_.push_back(issuer::begin(some_root(), some_issuer(), noon).value());
  issuer_.emplace(issuer::from_journal(journal_.front()).value());
  invitation terms;
  terms.network = some_root().network;
  terms.token = derive_verifying_key(token_);
  terms.uses = members;
  terms.until = noon + 24h;
  keep(issuer_->invite(terms, wall()).value());
  issue({item_key(item_kind::issuer, verified_.contents.name), issuer_bytes_});
  issue_list();
  for (std::size_t i = 0; i < directories; ++i) {
    directories_.emplace_back();
    start_directory(i);
    every(1s, [this, i] { tell(i); });
  }
  for (std::size_t i = 0; i < members; ++i) {
    members_.emplace_back();
    members_.back().keys
      = {token_, draw_signing_seed(random_), generate_private_key(random_)};
    members_.back().name = "node-" + std::to_string(i);
    members_.back().has_view = i < with_view;
    every(1s, [this, i] { step(i); });
  }
  every(1s, [this] { disturb(); });
  every(10s, [this] { issue_list(); });
}

void directories_run::run_for(std::chrono::milliseconds span) {
  queue_.run_until(queue_.now() + span);
}

// -- time --------------------------------------------------------------------

instant directories_run::now() const {
  return {time_point{queue_.now()}, wall_time{wall()}};
}

network_time directories_run::wall() const {
  return noon + std::chrono::duration_cast<std::chrono::seconds>(queue_.now());
}

bool directories_run::chance(unsigned of_1000) {
  return random_.below(1000) < of_1000;
}

std::size_t directories_run::any(std::size_t count) {
  return static_cast<std::size_t>(random_.below(count));
}

std::chrono::milliseconds directories_run::delay() {
  const auto span = static_cast<std::uint64_t>(weather.longest.count());
  return std::chrono::milliseconds(1 + random_.below(span));
}

void directories_run::every(std::chrono::milliseconds interval,
                            std::function<void()> what) {
  const auto jitter = std::chrono::milliseconds(random_.below(100));
  queue_.after(interval + jitter, [this, interval, what] {
    what();
    every(interval, what);
  });
}

// -- the issuer --------------------------------------------------------------

template <class Answer>
Answer directories_run::keep(const decision<Answer>& made) {
  if (made.entry) {
    sound = sound && issuer_->take_over(*made.entry).has_value();
    journal_.push_back(*made.entry);
  }
  return made.answer;
}

void directories_run::restart_issuer() {
  issuer_.emplace(issuer::from_journal(journal_.front()).value());
  for (std::size_t i = 1; i < journal_.size(); ++i)
    sound = sound && issuer_->take_over(journal_[i]).has_value();
}

void directories_run::issue(network_item item) {
  log_.push_back(std::move(item));
  for (std::size_t i = 0; i < directories_.size(); ++i)
    answer_items(i);
}

void directories_run::issue(const certificate_terms& terms) {
  issue({item_key(item_kind::certificate, terms.contents.id),
         to_bytes(terms, issuer_seed_)});
}

void directories_run::issue_list() {
  const auto list
    = sign_bytes(issuer_seed_, encode(keep(issuer_->list(wall()))));
  issue({item_key(item_kind::list, verified_.contents.name),
         write_list_item(list)});
}

/// A long poll: answered once there is something.
void directories_run::answer_items(std::size_t which) {
  auto& node = directories_[which];
  if (!node.core || !node.asks_items || !issuer_there_)
    return;
  const auto after = static_cast<std::size_t>(*node.asks_items);
  if (log_.size() <= after)
    return;
  node.asks_items.reset();
  issued_items answer;
  const auto end = std::min(log_.size(), after + most_items_of_answer);
  for (auto i = after; i < end; ++i)
    answer.items.push_back(log_[i]);
  answer.through = end;
  answer.more = end < log_.size();
  in_life(which, delay(),
          [this, answer](auto& core) { core.issued(answer, now()); });
}

accepted<certified_answer> directories_run::decide(const byte_vector& bytes) {
  const auto asked = read_own_request(bytes);
  if (!asked)
    return tl::unexpected(asked.error());
  if (const auto* renewal = std::get_if<renewal_request>(&*asked)) {
    auto made = issuer_->renew(renewal->member, renewal->key,
                               renewal->certificate, wall());
    if (!made)
      return tl::unexpected(made.error());
    const auto terms = keep(*made);
    keys_[terms.contents.id].insert(terms.contents.key);
    issue(terms);
    return certified_answer{{to_bytes(terms, issuer_seed_), issuer_bytes_}};
  }
  const auto& leave = std::get<leave_request>(*asked);
  auto made = issuer_->remove(leave.member, wall());
  if (!made)
    return tl::unexpected(made.error());
  keep(*made);
  issue_list();
  return certified_answer{};
}

/// Nothing is given twice; the name of who was removed may be.
void directories_run::check_admission(const member_contents& contents) {
  if (!given_.emplace(contents.id, contents).second)
    return; // the same answer again
  sound = sound && given_prefixes_.find_overlap(contents.prefixes) == nullptr
          && given_places_.insert(contents.allocation).second;
  given_prefixes_.add(contents.prefixes);
  const auto [named, is_new] = names_.emplace(contents.name, contents.id);
  sound = sound && (is_new || issuer_->find_member(named->second)->removed);
  named->second = contents.id;
  keys_[contents.id].insert(contents.key);
}

void directories_run::kill_issuer(bool there) {
  issuer_there_ = there;
  directories_[0].asks_items.reset();
  if (directories_[0].core)
    directories_[0].core->issuer_there(there, now());
  after_call(0);
}

// -- directories -------------------------------------------------------------

void directories_run::start_directory(std::size_t which) {
  auto& node = directories_[which];
  if (node.core)
    return;
  ++node.life;
  const auto issuer
    = has_issuer(which) ? verified_.contents.name : std::string{};
  node.core
    = std::make_unique<directory>(directory::settings{some_root(), issuer},
                                  judge_of(verified_, root_seed_), random_);
  node.watched = 0;
  node.wakes = never;
  node.asks_items.reset();
  in_life(which, delay(), [this, which](auto& core) {
    core.opened(store_.id, now());
    if (has_issuer(which))
      core.issuer_there(issuer_there_, now());
  });
}

void directories_run::kill_directory(std::size_t which) {
  directories_[which].core.reset();
  ++directories_[which].life;
  std::vector<std::uint64_t> broken;
  for (const auto& [number, each] : wires_) {
    if (each.directory == which)
      broken.push_back(number);
  }
  for (const auto number : broken)
    break_wire(number, "the directory was killed");
}

/// Later, unless it has been killed by then.
void directories_run::in_life(std::size_t which, std::chrono::milliseconds when,
                              std::function<void(directory&)> what) {
  const auto life = directories_[which].life;
  queue_.after(when, [this, which, life, what] {
    auto& node = directories_[which];
    if (node.life != life || !node.core)
      return;
    what(*node.core);
    after_call(which);
  });
}

void directories_run::after_call(std::size_t which) {
  auto& node = directories_[which];
  if (!node.core)
    return;
  for (const auto& each : node.core->take_steps())
    std::visit([&](const auto& what) { do_step(which, what); }, each);
  wake_directory(which);
}

void directories_run::wake_directory(std::size_t which) {
  auto& node = directories_[which];
  const auto next
    = std::max(milliseconds_of(node.core->next_time()), queue_.now() + 1ms);
  if (next >= node.wakes)
    return;
  node.wakes = next;
  const auto life = node.life;
  queue_.after(next - queue_.now(), [this, which, life, next] {
    auto& woken = directories_[which];
    if (woken.life != life || woken.wakes != next)
      return;
    woken.wakes = never;
    woken.core->on_time(now());
    after_call(which);
  });
}

namespace {

const store_error away{store_failure::unavailable, "The store is away."};
const store_error unknown{store_failure::unknown_outcome, "No answer came."};

} // namespace

void directories_run::do_step(std::size_t which,
                              const directory::list_entries& what) {
  in_life(which, delay(), [this, which, what](auto& core) {
    if (directories_[which].cut_off || chance(weather.store_failures))
      core.listed(tl::unexpected(away), now());
    else
      core.listed(store_.list(what.range), now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::watch_entries& what) {
  directories_[which].watched = what.from;
  tell(which);
}

void directories_run::do_step(std::size_t which,
                              const directory::change_entries& what) {
  const auto change = what.change;
  if (mistake_in(change))
    sound = false;
  in_life(which, delay(), [this, which, change](auto& core) {
    if (directories_[which].cut_off)
      return core.changed(tl::unexpected(away), now());
    if (!chance(weather.store_failures)) {
      const auto outcome = store_.change(change);
      remember(change);
      store_changed();
      return core.changed(outcome, now());
    }
    // It is made, or later, or never.
    const auto fate = random_.below(3);
    if (fate == 0)
      store_.change(change);
    else if (fate == 1)
      queue_.after(delay() * 3, [this, change] {
        store_.change(change);
        store_changed();
      });
    core.changed(tl::unexpected(unknown), now());
  });
}

/// For lies.
void directories_run::remember(const store_change& change) {
  for (const auto& each : change.writes) {
    const auto key = item_key_of(each.key);
    if (!key || !each.value)
      continue;
    const auto content = bytes_of(*each.value);
    past_.push_back({*key, {content.begin(), content.end()}});
  }
}

void directories_run::do_step(std::size_t which,
                              const directory::renew_store_id&) {
  in_life(which, delay(), [this](auto& core) {
    random_.fill(store_.id);
    core.renamed(store_.id, now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::keep_presence&) {
  in_life(which, delay(), [this, which](auto& core) {
    if (directories_[which].cut_off)
      return;
    if (has_issuer(which) && issuer_there_)
      issuer_present_until_ = queue_.now() + presence_lasts;
    core.issuer_elsewhere(
      !has_issuer(which) && queue_.now() < issuer_present_until_, now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::ask_for_items& what) {
  auto& node = directories_[which];
  node.asks_items = what.after;
  const auto asked = ++node.asks;
  answer_items(which);
  in_life(which, 20s, [this, which, asked](auto& core) {
    auto& later = directories_[which];
    if (!later.asks_items || later.asks != asked)
      return;
    issued_items nothing_new;
    nothing_new.through = *std::exchange(later.asks_items, std::nullopt);
    core.issued(nothing_new, now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::ask_for_member& what) {
  in_life(which, delay(), [this, what](auto& core) {
    if (issuer_there_)
      core.answered(what.number, decide(what.request), now());
    else
      core.answered(what.number,
                    refuse(refusal::not_allowed, "the issuer is away"), now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::send_frame& what) {
  const auto found = wires_.find(what.to);
  if (found == wires_.end())
    return;
  auto frame = what.frame;
  if (weather.lies != 0) {
    auto other = *frame;
    lie(other);
    frame = std::make_shared<const byte_vector>(std::move(other));
  }
  auto& way = found->second;
  way.to_member = std::max(way.to_member, queue_.now() + delay());
  queue_.after(way.to_member - queue_.now(),
               [this, which, number = what.to, frame] {
                 const auto there = wires_.find(number);
                 if (there == wires_.end())
                   return;
                 const auto who = there->second.member;
                 const auto attempt = there->second.attempt;
                 if (members_[who].session) {
                   members_[who].session->received(attempt, *frame, now().now);
                   after_member(who);
                 }
                 if (directories_[which].core) {
                   directories_[which].core->queued(number, 0, now());
                   after_call(which);
                 }
               });
}

void directories_run::do_step(std::size_t,
                              const directory::end_connection& what) {
  const auto found = wires_.find(what.which);
  if (found == wires_.end())
    return;
  // After what was sent before.
  const auto when = std::max(found->second.to_member, queue_.now()) + 1ms;
  queue_.after(when - queue_.now(), [this, number = what.which] {
    break_wire(number, "the directory ended it");
  });
}

void directories_run::do_step(std::size_t, const directory::began_recovering&) {
}

/// No member here has a double.
void directories_run::do_step(std::size_t, const directory::found_twice&) {
  sound = false;
}

void directories_run::store_changed() {
  for (std::size_t i = 0; i < directories_.size(); ++i)
    in_life(i, delay(), [this, i](auto&) { tell(i); });
}

/// What its watch has to say.
void directories_run::tell(std::size_t which) {
  auto& node = directories_[which];
  if (!node.core || node.watched == 0)
    return;
  if (node.cut_off) {
    node.core->told(tl::unexpected(away), now());
  } else if (chance(weather.store_failures / 10)) {
    node.watched = 0;
    node.core->told(
      tl::unexpected(store_error{store_failure::history_lost, "Compacted."}),
      now());
  } else {
    const auto news = store_.since(node.watched);
    node.watched = std::max(node.watched, news.through + 1);
    node.core->told(news, now());
  }
  after_call(which);
}

// -- members -----------------------------------------------------------------

void directories_run::step(std::size_t who) {
  auto& node = members_[who];
  if (!node.id)
    return ask_to_join(who);
  if (!node.session) {
    if (weather.member_kills == 0 || chance(500))
      start_member(who, {});
    return;
  }
  // As a node does it: by news, and once a minute as time goes on.
  const bool is_due = queue_.now() - node.updated >= 60s;
  if (node.view && (node.has_news || is_due))
    update(node);
}

void directories_run::ask_to_join(std::size_t who) {
  const auto asked
    = prove(members_[who].keys, some_root().network, members_[who].name,
            exporter_, {derive_public_key(ephemeral_)});
  in_life(0, delay(), [this, who, asked](auto& core) {
    if (core.find_reason_to_wait())
      return;
    const auto request = check_proof(*asked, exporter_, ephemeral_);
    sound = sound && request.has_value();
    const auto made
      = issuer_->admit(*request, member_id::draw(random_), wall());
    if (!made)
      return;
    if (made->entry && chance(weather.directory_kills))
      return restart_issuer(); // before it is on disk: it never was
    const bool is_new = made->entry.has_value();
    const auto terms = keep(*made);
    check_admission(terms.contents);
    if (is_new)
      issue(terms);
    queue_.after(delay(), [this, who, terms] { be_admitted(who, terms); });
  });
}

void directories_run::be_admitted(std::size_t who,
                                  const certificate_terms& terms) {
  auto& node = members_[who];
  if (node.id)
    return;
  node.id = terms.contents.id;
  node.certificate = to_bytes(terms, issuer_seed_);
  start_member(who, {});
  move(who);
}

void directories_run::start_member(std::size_t who,
                                   std::vector<network_item> told) {
  auto& node = members_[who];
  const auto contents = to_certificate(node.certificate, verified_)->contents;
  const auto marks = node.view ? node.view->kept() : view_marks{};
  if (node.has_view) {
    node.view = std::make_unique<member_view>(
      member_view::settings{some_root(), *node.id, contents.key, {}}, marks);
    node.view->add_issuer(verified_).value();
  }
  node.waiting.clear();
  believe(node, {item_key(item_kind::certificate, *node.id), node.certificate});
  believe(node, told);
  std::vector<directory_address> addresses;
  for (std::size_t i = 0; i < directories_.size(); ++i)
    addresses.push_back(address_of(i));
  node.session = std::make_unique<member_session>(*node.id, addresses, random_,
                                                  std::move(told));
  node.wakes = never;
  hold(node);
  if (node.record)
    node.session->publish(node.record->bytes(), now().now);
  after_member(who);
}

void directories_run::kill_member(std::size_t who) {
  auto& node = members_[who];
  if (!node.session)
    return;
  std::vector<network_item> told;
  bucket_set all;
  all.set();
  std::optional<bucket_table::place> next = bucket_table::place{};
  while (next && chance(700)) {
    auto page = node.session->told().read(all, *next);
    told.insert(told.end(), page.items.begin(), page.items.end());
    next = page.next;
  }
  node.session.reset();
  ++node.life;
  break_wire(node.connection, "the member was killed");
  const auto life = node.life;
  queue_.after(delay() * 20, [this, who, life, told] {
    if (members_[who].life == life && !members_[who].session)
      start_member(who, told);
  });
}

void directories_run::after_member(std::size_t who) {
  auto& node = members_[who];
  while (node.session) {
    auto steps = node.session->take_steps();
    if (steps.empty())
      break;
    for (auto& each : steps)
      do_step(who, each);
  }
  wake_member(who);
}

void directories_run::wake_member(std::size_t who) {
  auto& node = members_[who];
  if (!node.session || node.session->next_time() == time_point::max())
    return;
  const auto next
    = std::max(milliseconds_of(node.session->next_time()), queue_.now() + 1ms);
  if (next >= node.wakes)
    return;
  node.wakes = next;
  queue_.after(next - queue_.now(), [this, who, life = node.life, next] {
    auto& woken = members_[who];
    if (woken.life != life || woken.wakes != next || !woken.session)
      return;
    woken.wakes = never;
    woken.session->on_time(now().now);
    after_member(who);
  });
}

void directories_run::do_step(std::size_t who, member_session::step& step) {
  auto& node = members_[who];
  if (const auto* dialled
      = std::get_if<member_session::dial_directory>(&step)) {
    dial(who, *dialled);
  } else if (const auto* sent
             = std::get_if<member_session::send_frame>(&step)) {
    const auto found = wires_.find(node.connection);
    if (found == wires_.end())
      return;
    auto& way = found->second;
    way.to_directory = std::max(way.to_directory, queue_.now() + delay());
    queue_.after(way.to_directory - queue_.now(),
                 [this, number = node.connection, frame = sent->frame] {
                   const auto there = wires_.find(number);
                   if (there == wires_.end())
                     return;
                   const auto which = there->second.directory;
                   directories_[which].core->received(
                     number, const_byte_span(frame).subspan(4), now());
                   after_call(which);
                 });
  } else if (std::get_if<member_session::hang_up>(&step) != nullptr) {
    break_wire(node.connection, "");
  } else if (auto* news = std::get_if<member_session::take_items>(&step)) {
    believe(node, std::move(news->items));
  } else if (auto* found
             = std::get_if<member_session::directory_found>(&step)) {
    // One that has lost its state goes on from what it said before.
    const auto last = member_record::read(found->last_record);
    if (last && last->order().serial > node.serial)
      node.serial = last->order().serial;
  } else if (auto* answer
             = std::get_if<member_session::request_answered>(&step)) {
    if (!answer->result || answer->result->empty())
      return;
    node.certificate = answer->result->front(); // on disk before it counts
    believe(node,
            {item_key(item_kind::certificate, *node.id), node.certificate});
    hold(node);
  }
}

/// Records before their certificates wait for them.
void directories_run::believe(member_node& who,
                              std::vector<network_item> items) {
  if (!who.view) {
    for (const auto& each : items)
      follow_as_mirror(who, each);
    return hold(who);
  }
  for (auto& each : items) {
    who.waiting.insert_or_assign(each.key, std::move(each));
  }
  const auto all = std::exchange(who.waiting, {});
  for (const auto letter : {'l', 'c', 'r'}) {
    for (const auto& [key, each] : all) {
      if (std::to_integer<char>(key.front()) == letter)
        believe(who, each);
    }
  }
  hold(who);
}

/// What a member does by itself, whoever its peers are.
void directories_run::follow_as_mirror(member_node& who,
                                       const network_item& item) {
  const auto kind = kind_of(item.key);
  if (kind == item_kind::list) {
    who.list = item.content;
  } else if (kind == item_kind::certificate && member_of(item.key) == who.id) {
    const auto certificate = to_certificate(item.content, verified_);
    if (certificate)
      use_next_seed(who, *certificate, item.content);
  }
}

void directories_run::believe(member_node& who, const network_item& item) {
  if (!who.view)
    return follow_as_mirror(who, item);
  who.has_news = true;
  const auto kind = kind_of(item.key);
  if (kind == item_kind::certificate) {
    const auto certificate = to_certificate(item.content, verified_);
    if (!certificate || certificate->contents.id != member_of(item.key))
      return;
    static_cast<void>(who.view->add_certificate(*certificate));
    if (certificate->contents.id == *who.id)
      use_next_seed(who, *certificate, item.content);
  } else if (kind == item_kind::record) {
    const auto record = member_record::read(item.content);
    if (!record || record->member() != member_of(item.key))
      return;
    const auto taken = who.view->add_record(*record);
    const bool waits = !taken
                       && (taken.error().why == refusal::unknown_member
                           || taken.error().why == refusal::bad_signature
                           || taken.error().why == refusal::malformed);
    if (waits)
      who.waiting.insert_or_assign(item.key, item);
  } else if (kind == item_kind::list) {
    const auto list = read_list_item(item.content);
    const auto taken = list ? who.view->add_list(*list) : accepted<bool>(false);
    if (taken && *taken)
      who.list = item.content;
  }
}

/// By the answer to a renewal or, if that was lost, as others get to see it.
/// Its old key is of no use then, so it signs its record anew.
void directories_run::use_next_seed(member_node& who,
                                    const verified_certificate& own,
                                    const byte_vector& bytes) {
  if (!who.next_seed || own.key != derive_verifying_key(*who.next_seed))
    return;
  who.keys.certificate = *std::exchange(who.next_seed, std::nullopt);
  who.certificate = bytes;
  queue_.after(delay(), [this, &who] {
    const auto number
      = std::find_if(members_.begin(), members_.end(),
                     [&](const auto& each) { return &each == &who; })
        - members_.begin();
    move(static_cast<std::size_t>(number));
  });
}

void directories_run::hold(member_node& who) {
  if (!who.session)
    return;
  std::vector<network_item> held{
    {item_key(item_kind::certificate, *who.id), who.certificate},
    {item_key(item_kind::issuer, verified_.contents.name), issuer_bytes_}};
  if (!who.list.empty())
    held.push_back(
      {item_key(item_kind::list, verified_.contents.name), who.list});
  who.session->set_held(std::move(held), now().now);
}

void directories_run::move(std::size_t who) {
  auto& node = members_[who];
  if (!node.session)
    return;
  const auto contents = to_certificate(node.certificate, verified_)->contents;
  endpoint where = parse_endpoint("192.0.2.1:1").value();
  where.port = static_cast<std::uint16_t>(1 + random_.below(60'000));
  node.record = member_record::make(
    some_root().network, *node.id, {contents.generation, ++node.serial},
    {{{where, endpoint_source::link}}, false, 1}, node.keys.certificate);
  node.session->publish(node.record->bytes(), now().now);
  after_member(who);
}

void directories_run::move_all() {
  for (std::size_t i = 0; i < members_.size(); ++i)
    move(i);
}

void directories_run::dial(std::size_t who,
                           const member_session::dial_directory& what) {
  std::size_t which = 0;
  while (address_of(which) != what.where)
    ++which;
  const auto number = ++last_wire_;
  members_[who].connection = number;
  const auto life = members_[who].life;
  queue_.after(2 * delay(), [this, who, which, number, life,
                             attempt = what.number] {
    auto& node = members_[who];
    if (node.life != life || !node.session || node.connection != number)
      return;
    auto& target = directories_[which];
    if (!target.core) {
      node.session->lost(attempt, "nobody is there", now().now);
      return after_member(who);
    }
    wires_.emplace(number, wire{which, target.life, who, attempt});
    const auto certificate = to_certificate(node.certificate, verified_);
    target.core->connected(number, *certificate, now());
    after_call(which);
    node.session->connected(attempt, now().now);
    after_member(who);
  });
}

void directories_run::break_wire(std::uint64_t number, const std::string& why) {
  const auto found = wires_.find(number);
  if (found == wires_.end())
    return;
  const auto lost = found->second;
  wires_.erase(found);
  auto& target = directories_[lost.directory];
  if (target.core && target.life == lost.life) {
    target.core->disconnected(number);
    after_call(lost.directory);
  }
  auto& node = members_[lost.member];
  if (node.session) {
    node.session->lost(lost.attempt, why, now().now);
    after_member(lost.member);
  }
}

void directories_run::remove(std::size_t who) {
  keep(issuer_->remove(*members_.at(who).id, wall()).value());
  issue_list();
}

bool directories_run::renew(std::size_t who) {
  auto& node = members_.at(who);
  if (!node.session || !node.id)
    return false;
  const auto contents = to_certificate(node.certificate, verified_)->contents;
  if (!node.next_seed)
    node.next_seed = draw_signing_seed(random_);
  node.session->renew(make_renewal({some_root().network, *node.id,
                                    contents.generation, contents.key,
                                    derive_verifying_key(*node.next_seed)},
                                   node.keys.certificate),
                      now().now);
  after_member(who);
  return true;
}

// -- what goes wrong ---------------------------------------------------------

void directories_run::disturb() {
  if (chance(weather.breaks) && !wires_.empty()) {
    auto some = wires_.begin();
    std::advance(some, static_cast<std::ptrdiff_t>(any(wires_.size())));
    break_wire(some->first, "the way is broken");
  }
  const auto which = any(directories_.size());
  if (chance(weather.directory_kills) && directories_[which].core) {
    kill_directory(which);
    queue_.after(delay() * 30, [this, which] { start_directory(which); });
  }
  if (chance(weather.cuts)) {
    directories_[which].cut_off = true;
    queue_.after(5s, [this, which] { directories_[which].cut_off = false; });
  }
  const auto who = any(members_.size());
  if (chance(weather.member_kills))
    kill_member(who);
  if (!is_live(members_[who]))
    return;
  if (chance(weather.removals))
    remove(who);
  else if (chance(weather.movements))
    move(who);
  else if (chance(weather.renewals))
    renew(who);
}

void directories_run::heal() {
  weather = {};
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    directories_[i].cut_off = false;
    start_directory(i);
  }
}

void directories_run::lie(byte_vector& frame) {
  auto message = read_directory_message(const_byte_span(frame).subspan(4));
  if (!message || !*message)
    return;
  if (auto* page = std::get_if<items_page>(&**message))
    lie(page->items);
  else if (auto* changes = std::get_if<items_changed>(&**message))
    lie(changes->items);
  else
    return;
  frame = encode_frame(**message);
}

/// Items that were right once, of others, forged, damaged.
void directories_run::lie(std::vector<network_item>& items) {
  for (auto& each : items) {
    if (!chance(weather.lies) || past_.empty())
      continue;
    auto lie = past_[any(past_.size())];
    switch (random_.below(4)) {
      case 0:
        break; // an old one
      case 1:
        lie.key = each.key; // of somebody else
        break;
      case 2:
        lie.content[any(lie.content.size())] ^= std::byte{1};
        break;
      default: {
        // A certificate of another authority, for a new member or a known one.
        certificate_terms terms;
        terms.contents = some_member(1 + random_.below(100));
        if (!given_.empty() && chance(500))
          terms.contents
            = std::next(given_.begin(),
                        static_cast<std::ptrdiff_t>(any(given_.size())))
                ->second;
        terms.contents.generation = 99;
        terms.contents.key = some_member(7).key;
        terms.from = noon - 1h;
        terms.until = noon + 24h * 90;
        lie = {item_key(item_kind::certificate, terms.contents.id),
               to_bytes(terms, rogue_seed_)};
      }
    }
    each = std::move(lie);
  }
}

// -- what should be ----------------------------------------------------------

/// Whoever is a peer is one that was let in, with what it was given.
void directories_run::update(member_node& who) {
  who.has_news = false;
  who.updated = queue_.now();
  const auto check = [&](const network_peer& peer) {
    const auto known = keys_.find(peer.id);
    sound = sound && known != keys_.end() && known->second.count(peer.key) != 0
            && given_.at(peer.id).prefixes == peer.prefixes
            && given_.at(peer.id).name == peer.name;
  };
  for (const auto& each : who.view->update(wall())) {
    if (const auto* added = std::get_if<peer_added>(&each))
      check(added->peer);
    else if (const auto* changed = std::get_if<peer_changed>(&each))
      check(changed->peer);
  }
}

bool directories_run::is_live(const member_node& who) const {
  if (!who.id || !who.session)
    return false;
  const auto* member = issuer_->find_member(*who.id);
  return member != nullptr && !member->removed;
}

std::size_t directories_run::live() const {
  return static_cast<std::size_t>(
    std::count_if(members_.begin(), members_.end(),
                  [&](const auto& each) { return is_live(each); }));
}

std::size_t directories_run::admitted() const {
  return issuer_->members().size();
}

std::map<member_id, network_peer> directories_run::expected_peers() const {
  std::map<member_id, network_peer> peers;
  for (const auto& [id, member] : issuer_->members()) {
    if (member.removed)
      continue;
    const auto& contents = member.terms.contents;
    peers.emplace(id, network_peer{id,
                                   contents.name,
                                   contents.key,
                                   contents.prefixes,
                                   {},
                                   contents.groups});
  }
  for (const auto& each : members_) {
    const auto found
      = each.id && each.record ? peers.find(*each.id) : peers.end();
    if (found == peers.end())
      continue;
    found->second.endpoints = each.record->content().endpoints;
    found->second.epoch = each.record->content().epoch;
  }
  return peers;
}

bool directories_run::all_agree() {
  return describe().empty();
}

std::string directories_run::describe() {
  std::ostringstream out;
  auto peers = expected_peers();
  const bucket_digests* digests = nullptr;
  for (const auto& each : directories_) {
    if (each.core && digests == nullptr)
      digests = &each.core->items().digests();
  }
  for (auto& each : members_) {
    if (!is_live(each))
      continue;
    if (each.view)
      describe_view(out, each, peers);
    else if (digests != nullptr && each.session->told().digests() != *digests)
      out << each.name << " was told something else\n";
  }
  return out.str();
}

void directories_run::describe_view(
  std::ostream& out, member_node& who,
  std::map<member_id, network_peer>& all_peers) {
  update(who);
  const auto& peers = who.view->peers();
  auto itself = all_peers.extract(*who.id);
  if (peers != all_peers) {
    out << who.name << (who.session->is_connected() ? " connected" : " alone")
        << " has " << peers.size() << " of " << all_peers.size() << ":";
    for (const auto& [id, peer] : all_peers) {
      const auto known = peers.find(id);
      if (known == peers.end())
        out << " lacks " << peer.name;
      else if (known->second.key != peer.key)
        out << " key " << peer.name;
      else if (known->second != peer)
        out << " endpoint " << peer.name;
    }
    out << '\n';
  }
  all_peers.insert(std::move(itself));
}

bool directories_run::recovering() const {
  return std::any_of(directories_.begin(), directories_.end(),
                     [](const auto& each) {
                       return each.core && !each.core->recovering().empty();
                     });
}

void directories_run::recover() {
  directories_[0].core->recover(now());
  after_call(0);
}

std::size_t directories_run::peers_of(std::size_t member) const {
  return members_.at(member).view->peers().size();
}

bool directories_run::is_member_connected(std::size_t member) const {
  return members_.at(member).session
         && members_.at(member).session->is_connected();
}

} // namespace weft::test
