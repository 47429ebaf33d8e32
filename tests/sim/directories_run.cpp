#include "protocol/network/ranges.hpp"
#include "protocol/network/renewal.hpp"
#include "tests/sim/directories.hpp"

#include <sstream>

namespace weft::test {

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
  if (auto* welcome = std::get_if<directory_welcome>(&**message))
    welcome->cut_off = chance(weather.lies);
  else if (auto* page = std::get_if<items_page>(&**message))
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

std::size_t directories_run::members_at(std::size_t which) const {
  return directories_.at(which).core->look().connections;
}

bool directories_run::is_member_connected(std::size_t member) const {
  return members_.at(member).session
         && members_.at(member).session->is_connected();
}

} // namespace weft::test
