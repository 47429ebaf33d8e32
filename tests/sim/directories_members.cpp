// Members of the simulated network: how they join, what their sessions want
// done, and the connections between them and directories.
#include "protocol/network/renewal.hpp"
#include "tests/sim/directories.hpp"

#include <tuple>

namespace weft::test {

namespace {

directory_address address_of(std::size_t directory) {
  return {"directory-" + std::to_string(directory), 1};
}

} // namespace

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
    const verifying_key key{sha256({bytes_of(address_of(which).host)})};
    std::ignore = node.session->meet(attempt, key, 1);
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

} // namespace weft::test
