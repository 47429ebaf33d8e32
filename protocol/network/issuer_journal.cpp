// What an issuer's journal allows to follow, and what an entry of it changes.
#include "protocol/network/issuer.hpp"

#include <algorithm>

namespace weft {

namespace {

refused make(refusal why, std::string what) {
  return {why, std::move(what)};
}

} // namespace

// -- the journal -------------------------------------------------------------

issuer::issuer(root_contents root, issuer_contents self)
  : root_(std::move(root)), self_(std::move(self)),
    pool_(self_.ranges, root_.slice_v4, root_.slice_v6) {
}

accepted<byte_vector>
issuer::begin(const root_contents& root, const issuer_contents& self,
              network_time now) {
  for (const certificate_contents& each :
       {certificate_contents{root}, certificate_contents{self}}) {
    if (auto wrong = find_mistake(each))
      return tl::unexpected(std::move(*wrong));
  }
  if (auto wrong = find_breach(root, self))
    return tl::unexpected(std::move(*wrong));
  return journal_chain{}.write({now, journal_begun{root, self}});
}

accepted<issuer>
issuer::from_journal(const_byte_span first_entry, std::size_t list_room) {
  const auto entry = journal_chain{}.read(first_entry);
  if (!entry)
    return tl::unexpected(entry.error());
  const auto* begun = std::get_if<journal_begun>(&entry->event);
  if (begun == nullptr)
    return refuse(refusal::malformed,
                  "journal entry 1: it does not say whose journal it is");
  if (auto wrong = find_breach(begun->root, begun->issuer))
    return tl::unexpected(std::move(*wrong));
  issuer result(begun->root, begun->issuer);
  result.chain_.append(first_entry);
  result.last_ = entry->at;
  result.list_room_ = list_room;
  return result;
}

tl::expected<void, refused> issuer::take_over(const_byte_span bytes) {
  const auto entry = chain_.read(bytes);
  if (!entry)
    return tl::unexpected(entry.error());
  auto obstacle = std::visit(
    [&](const auto& each) { return find_obstacle(each, entry->at); },
    entry->event);
  if (obstacle) {
    obstacle->what = "journal entry " + std::to_string(chain_.length() + 1)
                     + ": " + obstacle->what;
    return tl::unexpected(std::move(*obstacle));
  }
  go_on_to(entry->at);
  std::visit([&](const auto& each) { apply(each, entry->at); }, entry->event);
  chain_.append(bytes);
  return {};
}

// -- what the journal allows -------------------------------------------------

std::optional<refused>
issuer::find_obstacle(const journal_begun&, network_time) const {
  return make(refusal::malformed, "a journal begins once");
}

std::optional<refused>
issuer::find_obstacle(const token_invited& event, network_time at) const {
  const auto& terms = event.terms;
  if (auto wrong = find_mistake(terms))
    return wrong;
  if (terms.network != root_.network)
    return make(refusal::wrong_network, "it invites into another network");
  if (tokens_.count(terms.token) != 0)
    return make(refusal::taken, "the token is known already");
  if (terms.until <= at)
    return make(refusal::expired, "the invitation has ended");
  if (terms.name && names_.count(*terms.name) != 0)
    return make(refusal::taken, "'" + *terms.name + "' is a member's name");
  return pool_.find_obstacle(terms.prefixes, at);
}

std::optional<refused>
issuer::find_obstacle(const token_withdrawn& event, network_time) const {
  const auto* known = find_token(event.token);
  if (known == nullptr)
    return make(refusal::unknown_invitation,
                "no such token was given out here");
  if (known->withdrawn)
    return make(refusal::withdrawn, "the token was withdrawn before");
  return std::nullopt;
}

std::optional<refused>
issuer::find_closed(const token_state& token, network_time at) const {
  if (token.withdrawn)
    return make(refusal::withdrawn, "the token was withdrawn");
  if (at >= token.terms.until)
    return make(refusal::expired, "the token has ended; ask for another one");
  if (token.used >= token.terms.uses)
    return make(refusal::used_up,
                "the token has let in as many as it may; ask for another one");
  return std::nullopt;
}

std::optional<refused>
issuer::find_obstacle(const member_admitted& event, network_time at) const {
  const auto* token = find_token(event.token);
  if (token == nullptr)
    return make(refusal::unknown_invitation,
                "no such token was given out here");
  if (auto closed = find_closed(*token, at))
    return closed;
  const auto& contents = event.terms.contents;
  if (auto wrong = find_mistake(contents))
    return wrong;
  if (auto wrong = find_breach(root_, self_, contents))
    return wrong;
  const auto& invited = token->terms;
  if (contents.groups != invited.groups
      || (invited.name && contents.name != *invited.name))
    return make(refusal::not_allowed,
                invited.name ? "the token is for '" + *invited.name + "'"
                             : "the token is for other groups");
  auto prefixes = invited.prefixes;
  std::sort(prefixes.begin(), prefixes.end());
  if (!prefixes.empty() && contents.prefixes != prefixes)
    return make(refusal::not_allowed, "the token is for other prefixes");
  if (contents.generation != 1 || contents.allocation != allocations_ + 1
      || contents.revocation != list_number_
      || members_.count(contents.id) != 0)
    return make(refusal::malformed, "its numbers are not the next ones");
  if (auto taken = find_taken(event.terms))
    return taken;
  return pool_.find_obstacle(contents.prefixes, at);
}

std::optional<refused>
issuer::find_taken(const certificate_terms& terms) const {
  const auto& contents = terms.contents;
  const auto is_others = [&](const auto& owners, const auto& what) {
    const auto found = owners.find(what);
    return found != owners.end() && found->second != contents.id;
  };
  if (is_others(names_, contents.name))
    return make(refusal::taken, "'" + contents.name
                                  + "' is another member's name; choose "
                                    "another one, or remove that member");
  if (is_others(keys_, contents.key))
    return make(refusal::taken,
                "the WireGuard key is another member's; make a new one");
  if (is_others(certificates_, terms.key))
    return make(refusal::taken,
                "the certificate's key is another member's; make a new one");
  return std::nullopt;
}

std::optional<refused>
issuer::find_obstacle(const member_renewed& event, network_time) const {
  const auto& contents = event.terms.contents;
  const auto* member = find_member(contents.id);
  if (member == nullptr)
    return make(refusal::unknown_member, "no such member was let in here");
  if (member->removed)
    return make(refusal::revoked, "the member was removed");
  auto expected = member->terms.contents;
  if (contents.key != expected.key)
    return make(refusal::not_allowed,
                "a renewal keeps the WireGuard key; for another one, leave and "
                "join anew");
  ++expected.generation;
  expected.revocation = list_number_;
  if (contents != expected)
    return make(refusal::not_allowed,
                "a renewal changes numbers and the certificate's key only");
  if (auto wrong = find_mistake(contents))
    return wrong;
  return find_taken(event.terms);
}

std::optional<refused>
issuer::find_obstacle(const member_removed& event, network_time) const {
  const auto* member = find_member(event.id);
  if (member == nullptr)
    return make(refusal::unknown_member, "no such member was let in here");
  if (member->removed)
    return make(refusal::revoked, "the member was removed before");
  if (removals_.size() >= list_room_)
    return make(refusal::exhausted,
                "the list of revocations has no room for another member; wait "
                "until certificates of removed ones have ended");
  return std::nullopt;
}

std::optional<refused>
issuer::find_obstacle(const list_issued& event, network_time) const {
  if (event.number <= list_number_)
    return make(refusal::stale, "numbers of lists rise");
  return std::nullopt;
}

std::optional<refused>
issuer::find_obstacle(const epoch_begun& event, network_time) const {
  if (event.epoch <= epoch_)
    return make(refusal::stale, "epochs follow each other");
  return std::nullopt;
}

std::optional<refused>
issuer::find_obstacle(const member_adopted& event, network_time at) const {
  const auto& contents = event.terms.contents;
  if (auto wrong = find_mistake(contents))
    return wrong;
  if (auto wrong = find_breach(root_, self_, contents))
    return wrong;
  if (removed_unknown_.count(contents.id) != 0)
    return make(refusal::revoked, "the member was removed");
  const auto* known = find_member(contents.id);
  if (known == nullptr) {
    if (auto taken = find_taken(event.terms))
      return taken;
    return pool_.find_obstacle(contents.prefixes, at);
  }
  const auto& before = known->terms.contents;
  if (known->removed)
    return make(refusal::revoked, "the member was removed");
  if (contents.generation <= before.generation)
    return make(refusal::stale, "the journal has a newer certificate");
  if (contents.name != before.name || contents.prefixes != before.prefixes
      || contents.allocation != before.allocation)
    return make(refusal::not_allowed,
                "a renewal changes keys and numbers only");
  return find_taken(event.terms);
}

std::optional<refused>
issuer::find_obstacle(const removal_adopted& event, network_time) const {
  const auto* known = find_member(event.id);
  if ((known != nullptr && known->removed)
      || removed_unknown_.count(event.id) != 0)
    return make(refusal::revoked, "the member was removed before");
  if (removals_.size() >= list_room_)
    return make(refusal::exhausted,
                "the list of revocations has no room for another member");
  return std::nullopt;
}

std::optional<refused>
issuer::find_obstacle(const journal_recovered& event, network_time) const {
  if (event.allocation < allocations_)
    return make(refusal::stale, "numbers of allocations rise");
  return std::nullopt;
}

// -- and what it changes -----------------------------------------------------

void issuer::go_on_to(network_time at) {
  passed_ += std::clamp<std::chrono::seconds>(
    at - last_, std::chrono::seconds::zero(), longest_journal_step);
  last_ = at;
  while (!removals_.empty()
         && removals_.front().when + certificate_lifetime <= passed_)
    removals_.pop_front();
}

void issuer::apply(const journal_begun&, network_time) {
}

void issuer::apply(const token_invited& event, network_time) {
  tokens_[event.terms.token].terms = event.terms;
}

void issuer::apply(const token_withdrawn& event, network_time) {
  tokens_[event.token].withdrawn = true;
}

void issuer::apply(const member_admitted& event, network_time) {
  const auto& contents = event.terms.contents;
  ++tokens_[event.token].used;
  members_[contents.id] = {event.terms, event.token, false, {}, {}};
  remember(event.terms);
  pool_.take(contents.prefixes);
  allocations_ = contents.allocation;
}

void issuer::apply(const member_renewed& event, network_time at) {
  auto& member = members_[event.terms.contents.id];
  replace(member, event.terms);
  member.renewed = at;
}

void issuer::replace(member_state& member, const certificate_terms& terms) {
  forget(member.terms);
  member.former = member.terms.key;
  member.terms = terms;
  remember(member.terms);
}

void issuer::apply(const member_removed& event, network_time at) {
  auto& member = members_[event.id];
  member.removed = true;
  removals_.push_back({passed_, event.id});
  forget(member.terms);
  pool_.release(member.terms.contents.prefixes, at);
}

void issuer::apply(const list_issued& event, network_time) {
  list_number_ = event.number;
}

void issuer::apply(const epoch_begun& event, network_time) {
  epoch_ = event.epoch;
  epochs_.push_back({event.epoch, passed_});
}

void issuer::apply(const member_adopted& event, network_time) {
  const auto& contents = event.terms.contents;
  const auto known = members_.find(contents.id);
  if (known != members_.end()) {
    replace(known->second, event.terms);
    return;
  }
  members_[contents.id] = {event.terms, {}, false, {}, {}};
  remember(event.terms);
  pool_.take(contents.prefixes);
  allocations_ = std::max(allocations_, contents.allocation);
}

void issuer::apply(const removal_adopted& event, network_time at) {
  if (members_.count(event.id) != 0) {
    apply(member_removed{event.id}, at);
    return;
  }
  removed_unknown_.insert(event.id);
  removals_.push_back({passed_, event.id});
}

void issuer::apply(const journal_recovered& event, network_time) {
  allocations_ = event.allocation;
  for (auto& [key, token] : tokens_)
    token.withdrawn = true;
}

void issuer::remember(const certificate_terms& terms) {
  const auto& id = terms.contents.id;
  names_[terms.contents.name] = id;
  keys_[terms.contents.key] = id;
  certificates_[terms.key] = id;
}

void issuer::forget(const certificate_terms& terms) {
  names_.erase(terms.contents.name);
  keys_.erase(terms.contents.key);
  certificates_.erase(terms.key);
}

} // namespace weft
