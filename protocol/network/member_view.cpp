#include "protocol/network/member_view.hpp"

#include "protocol/network/occupancy.hpp"

#include <algorithm>

namespace weft {

namespace {

refused make(refusal why, std::string what) {
  return {why, std::move(what)};
}

bool has_any(const occupancy& taken, const member_contents& contents) {
  return taken.names.count(contents.name) != 0
         || taken.keys.count(contents.key) != 0
         || taken.prefixes.find_overlap(contents.prefixes) != nullptr;
}

network_peer to_peer(const member_contents& contents,
                     const std::optional<member_record>& record) {
  network_peer peer{contents.id,  contents.name,
                    contents.key, contents.prefixes,
                    {},           contents.groups};
  if (record) {
    peer.endpoints = record->content().endpoints;
    peer.relays = record->content().relays;
    peer.epoch = record->content().epoch;
  }
  return peer;
}

} // namespace

member_view::member_view(settings given, view_marks kept)
  : settings_(std::move(given)), marks_(std::move(kept)), floor_(marks_.floor),
    now_(marks_.floor) {
}

// -- what comes in -----------------------------------------------------------

template <class Step>
accepted<bool> member_view::counted(Step step) {
  auto result = step();
  if (!result)
    ++refusals_.at(static_cast<std::size_t>(result.error().why));
  return result;
}

accepted<bool> member_view::add_issuer(const verified_issuer& issuer) {
  return counted([&] { return take_issuer(issuer); });
}

accepted<bool>
member_view::add_certificate(const verified_certificate& certificate) {
  return counted([&] { return take_certificate(certificate); });
}

accepted<bool> member_view::add_record(const member_record& record) {
  return counted([&] { return take_record(record); });
}

accepted<bool> member_view::add_list(const signed_bytes& list) {
  return counted([&] { return take_list(list); });
}

accepted<bool> member_view::take_issuer(const verified_issuer& issuer) {
  if (auto wrong = find_mistake(issuer.contents))
    return tl::unexpected(std::move(*wrong));
  if (auto breach = find_breach(settings_.root, issuer.contents))
    return tl::unexpected(std::move(*breach));
  auto& known = issuers_[issuer.contents.name].issuer;
  if (issuer == known)
    return false;
  if (std::pair(issuer.until, issuer.key) < std::pair(known.until, known.key))
    return refuse(refusal::stale, "a newer certificate of issuer '"
                                    + issuer.contents.name + "' is known");
  known = issuer;
  return true;
}

accepted<bool>
member_view::take_certificate(const verified_certificate& certificate) {
  const auto& contents = certificate.contents;
  const auto issuer = issuers_.find(certificate.issuer);
  if (issuer == issuers_.end())
    return refuse(refusal::bad_signature, "the certificate of '" + contents.name
                                            + "' is of no issuer known here");
  if (auto wrong = find_mistake(contents))
    return tl::unexpected(std::move(*wrong));
  if (auto breach = find_breach(settings_.root, issuer->second.issuer.contents,
                                contents, settings_.wider))
    return tl::unexpected(std::move(*breach));
  const auto known = members_.find(contents.id);
  if (known != members_.end() && known->second.certificate == certificate)
    return false;
  // Ids are drawn by issuers, so that no two have the same but on purpose.
  if (const auto mark = marks_.members.find(contents.id);
      mark != marks_.members.end() && !mark->second.issuer.empty()
      && mark->second.issuer != certificate.issuer)
    return refuse(refusal::not_allowed,
                  "'" + contents.name + "' has the id of a member of issuer '"
                    + mark->second.issuer + "'");
  if (std::min(certificate.until, issuer->second.issuer.until)
      <= floor_.floor())
    return refuse(refusal::expired,
                  "the certificate of '" + contents.name + "' has ended");
  if (known == members_.end() && members_.size() >= most_members)
    return refuse(refusal::exhausted, "more members than a network may have");
  auto& mark = marks_.members[contents.id];
  if (contents.generation < mark.generation
      || (known != members_.end()
          && contents.generation
               <= known->second.certificate.contents.generation))
    return refuse(refusal::stale,
                  "a newer certificate of '" + contents.name + "' is known");
  mark.generation = contents.generation;
  mark.issuer = certificate.issuer;
  // It was given to this node, so that time was then.
  if (contents.id == settings_.self)
    signed_ = std::max(signed_, certificate.from);
  auto& member = members_[contents.id];
  member.certificate = certificate;
  member.told = false;
  return true;
}

accepted<bool> member_view::take_record(const member_record& record) {
  if (record.network() != settings_.root.network)
    return refuse(refusal::wrong_network, "the record is of another network");
  const auto known = members_.find(record.member());
  if (known == members_.end())
    return refuse(refusal::unknown_member,
                  "the record is of a member without a certificate");
  auto& member = known->second;
  auto& mark = marks_.members[record.member()].record;
  const auto& name = member.certificate.contents.name;
  if (member.record && member.record->bytes() == record.bytes())
    return false;
  // Of two that a member has signed under one number all keep the same one.
  if (record.order() < mark
      || (member.record && record.order() == member.record->order()
          && record.bytes() < member.record->bytes()))
    return refuse(refusal::stale, "a newer record of '" + name + "' is known");
  if (record.order().generation > member.certificate.contents.generation)
    return refuse(refusal::not_allowed,
                  "the record of '" + name + "' is ahead of its certificate");
  if (const auto* inside = find_inside(record.content(), settings_.root.ranges))
    return refuse(refusal::not_allowed,
                  "the record of '" + name + "' has the endpoint "
                    + to_string(inside->where) + " inside of the network");
  if (!record.verify(member.certificate.key))
    return refuse(refusal::bad_signature,
                  "the record of '" + name + "' is not signed by it");
  mark = record.order();
  member.record = record;
  return true;
}

accepted<bool> member_view::take_list(const signed_bytes& bytes) {
  if (bytes.content.size() > most_revocation_bytes)
    return refuse(refusal::malformed, "the list is too long");
  const auto signs = [&](const auto& each) {
    return is_signed_by(each.second.issuer.key, bytes);
  };
  // Nothing is read that no issuer has signed.
  if (std::none_of(issuers_.begin(), issuers_.end(), signs))
    return refuse(refusal::bad_signature,
                  "the list is signed by no issuer known here");
  auto list = read_revocation_list(bytes.content);
  if (!list)
    return tl::unexpected(std::move(list.error()));
  if (list->network != settings_.root.network)
    return refuse(refusal::wrong_network, "the list is of another network");
  const auto found = issuers_.find(list->issuer);
  if (found == issuers_.end() || !signs(*found))
    return refuse(refusal::bad_signature,
                  "the list is not signed by the issuer that it names");
  auto& [issuer, known] = found->second;
  if (known && *known == *list)
    return false;
  auto& mark = marks_.lists[list->issuer];
  if (list->number < mark || (known && list->number == known->number))
    return refuse(refusal::stale,
                  "a newer list of issuer '" + list->issuer + "' is known");
  mark = list->number;
  signed_ = std::max(signed_, list->issued);
  remember_removed(*list);
  known = std::move(*list);
  return true;
}

/// As long as a certificate may hold that was made before the list.
void member_view::remember_removed(const revocation_list& list) {
  const auto until = std::max(list.issued, now_) + certificate_lifetime;
  auto& removed = marks_.removed[list.issuer];
  for (const auto& id : list.removed) {
    auto& kept = removed[id];
    kept = std::max(kept, std::min(until, latest_network_time));
  }
}

void member_view::set_foreign(std::vector<foreign_peer> peers) {
  foreign_ = std::move(peers);
}

// -- time --------------------------------------------------------------------

/// The latest of the times that may be it, of those that can be believed.  What
/// the clock alone says passes with it, unless it is near what was signed.
void member_view::judge_time(network_time clock) {
  const bool clock_counts = !ends_most(clock);
  const bool signed_counts
    = (clock_counts && signed_ <= clock) || !ends_most(signed_);
  if (signed_counts)
    floor_.raise(clock_counts
                   ? std::max(signed_, std::min(clock, signed_ + clock_lead))
                   : signed_);
  now_ = clock_counts ? floor_.at(clock) : floor_.floor();
  const bool is_behind = clock + clock_lead < floor_.floor();
  clock_suspect_ = !clock_counts || !signed_counts || is_behind;
  marks_.floor = floor_.floor();
}

/// Whether this node's certificate and most others, which have not ended by the
/// floor, have ended at a later time.
bool member_view::ends_most(network_time at) const {
  std::size_t others = 0;
  std::size_t ended = 0;
  bool own_ended = false;
  for (const auto& [id, member] : members_) {
    const auto end = end_of(member);
    if (end <= floor_.floor() || is_revoked(member))
      continue;
    if (id == settings_.self) {
      own_ended = end <= at;
      if (!own_ended)
        return false;
      continue;
    }
    ++others;
    if (end <= at)
      ++ended;
  }
  return (own_ended || others > 0) && 2 * ended >= others;
}

network_time member_view::end_of(const known_member& who) const {
  return std::min(who.certificate.until,
                  issuers_.at(who.certificate.issuer).issuer.until);
}

// -- who is a peer -----------------------------------------------------------

bool member_view::is_revoked(const known_member& who) const {
  const auto& id = who.certificate.contents.id;
  const auto& list = issuers_.at(who.certificate.issuer).list;
  if (list && list->removed.count(id) != 0)
    return true;
  const auto removed = marks_.removed.find(who.certificate.issuer);
  return removed != marks_.removed.end() && removed->second.count(id) != 0;
}

/// Why a member does not count, whatever others have.
std::optional<refused>
member_view::find_refusal(const known_member& who) const {
  const auto& contents = who.certificate.contents;
  const auto& list = issuers_.at(who.certificate.issuer).list;
  if (is_revoked(who))
    return make(refusal::revoked, "'" + contents.name + "' was removed");
  if (!list || list->number < contents.revocation)
    return make(refusal::list_missing,
                "'" + contents.name
                  + "' counts only with a newer list of revocations");
  if (who.certificate.from > now_)
    return make(refusal::not_yet_valid,
                "the certificate of '" + contents.name + "' has not begun");
  if (end_of(who) <= now_)
    return make(refusal::expired,
                "the certificate of '" + contents.name + "' has ended");
  if (contents.id != settings_.self && contents.key == settings_.own_key)
    return make(refusal::own_key,
                "'" + contents.name + "' has this node's WireGuard key");
  return std::nullopt;
}

/// Notes why a member is no peer, and counts it once.
void member_view::conclude(known_member& who, std::optional<refused> refusal) {
  if (refusal && refusal != who.refusal) {
    ++refusals_.at(static_cast<std::size_t>(refusal->why));
    const auto& id = who.certificate.contents.id;
    if (refusal->why == refusal::foreign_peer && !peers_.contains(id))
      contested_.push_back(id);
  }
  who.refusal = std::move(refusal);
}

/// Members that count by themselves, those first that were let in first.
std::vector<member_view::known_member*> member_view::candidates() {
  std::vector<known_member*> found;
  for (auto& [id, each] : members_) {
    auto refusal = find_refusal(each);
    if (refusal || id == settings_.self)
      conclude(each, std::move(refusal));
    else
      found.push_back(&each);
  }
  std::sort(found.begin(), found.end(), [](const auto* a, const auto* b) {
    const auto& left = a->certificate.contents;
    const auto& right = b->certificate.contents;
    return std::pair(left.allocation, left.id)
           < std::pair(right.allocation, right.id);
  });
  return found;
}

member_view::peer_map member_view::resolve() {
  occupancy foreign;
  for (const auto& each : foreign_) {
    foreign.keys.insert(each.key);
    for (const auto& prefix : each.prefixes) {
      if (!leads_all(prefix)) // a full tunnel: members' own lie beside it
        foreign.prefixes.add(prefix);
    }
  }
  occupancy taken;
  const auto* own = self();
  if (own != nullptr) {
    taken.names.insert(own->certificate.contents.name);
    taken.prefixes.add(own->certificate.contents.prefixes);
  }
  peer_map peers;
  for (auto* each : candidates()) {
    const auto& contents = each->certificate.contents;
    if (has_any(foreign, contents)) {
      conclude(*each, make(refusal::foreign_peer,
                           "'" + contents.name
                             + "' has a key or addresses of a peer that a file "
                               "or a command has made"));
    } else if (has_any(taken, contents)) {
      conclude(*each, make(refusal::taken,
                           "'" + contents.name
                             + "' has a name, a key or addresses of a member "
                               "that was let in before"));
    } else {
      conclude(*each, std::nullopt);
      taken.names.insert(contents.name);
      taken.keys.insert(contents.key);
      taken.prefixes.add(contents.prefixes);
      peers.emplace(contents.id, to_peer(contents, each->record));
    }
  }
  if (own != nullptr && is_revoked(*own))
    return {}; // nobody talks to it any more
  return peers;
}

std::vector<peer_change> member_view::replace_peers(peer_map next) {
  std::vector<peer_change> removed;
  std::vector<peer_change> changed;
  std::vector<peer_change> added;
  const auto is_same_tunnel = [](const auto& a, const auto& b) {
    return a.key == b.key && a.prefixes == b.prefixes;
  };
  for (const auto& [id, peer] : peers_) {
    const auto now = next.find(id);
    if (now == next.end() || !is_same_tunnel(now->second, peer))
      removed.emplace_back(peer_removed{id, peer.key});
    else if (now->second != peer)
      changed.emplace_back(peer_changed{now->second});
  }
  for (const auto& [id, peer] : next) {
    const auto before = peers_.find(id);
    if (before == peers_.end() || !is_same_tunnel(before->second, peer))
      added.emplace_back(peer_added{peer});
  }
  peers_ = std::move(next);
  auto changes = std::move(removed);
  for (auto* list : {&changed, &added})
    std::move(list->begin(), list->end(), std::back_inserter(changes));
  return changes;
}

/// What ended so long ago that nothing of it could come back.
void member_view::forget_ended() {
  for (auto each = members_.begin(); each != members_.end();) {
    const bool is_over = each->first != settings_.self
                         && end_of(each->second) + memory <= floor_.floor();
    if (is_over)
      marks_.members.erase(each->first);
    each = is_over ? members_.erase(each) : std::next(each);
  }
  for (auto& [issuer, removed] : marks_.removed)
    std::erase_if(removed, [&](const auto& each) {
      return each.second <= floor_.floor();
    });
}

std::vector<peer_change> member_view::update(network_time clock) {
  judge_time(clock);
  forget_ended();
  return replace_peers(resolve());
}

// -- what is asked -----------------------------------------------------------

std::vector<member_id> member_view::take_notices() {
  std::vector<member_id> soon;
  for (auto& [id, member] : members_) {
    if (member.told || member.refusal || end_of(member) > now_ + notice)
      continue;
    member.told = true;
    soon.push_back(id);
  }
  return soon;
}

const member_view::known_member* member_view::self() const {
  const auto found = members_.find(settings_.self);
  return found == members_.end() ? nullptr : &found->second;
}

std::optional<network_time>
member_view::list_issued(const std::string& issuer) const {
  const auto found = issuers_.find(issuer);
  if (found == issuers_.end() || !found->second.list)
    return std::nullopt;
  return found->second.list->issued;
}

} // namespace weft
