// What an issuer decides; issuer_journal.cpp has what its journal allows, and
// what an entry of it changes.
#include "protocol/network/issuer.hpp"

#include <algorithm>

namespace weft {

namespace {

tl::unexpected<refused> pass_on(std::optional<refused>&& why) {
  return tl::unexpected(std::move(*why));
}

} // namespace

template <class Answer>
decision<Answer>
issuer::decide(Answer answer, journal_event event, network_time now) const {
  return {std::move(answer), chain_.write({now, std::move(event)})};
}

// -- decisions ---------------------------------------------------------------

accepted<decision<invitation>>
issuer::invite(const invitation& terms, network_time now) const {
  token_invited event{terms};
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  return decide(terms, std::move(event), now);
}

accepted<decision<verifying_key>>
issuer::withdraw(const verifying_key& token, network_time now) const {
  if (const auto* known = find_token(token); known && known->withdrawn)
    return decision<verifying_key>{token, {}};
  const token_withdrawn event{token};
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  return decide(token, event, now);
}

accepted<decision<certificate_terms>>
issuer::admit(const join_request& request, const member_id& fresh,
              network_time now) {
  if (request.network != root_.network)
    return refuse(refusal::wrong_network, "the request is for another network");
  const auto* token = find_token(request.token);
  if (token == nullptr)
    return refuse(refusal::unknown_invitation,
                  "no such token was given out here");
  if (const auto known = keys_.find(request.key); known != keys_.end()) {
    const auto& member = members_.at(known->second);
    if (member.token == request.token
        && member.terms.key == request.certificate)
      return decision<certificate_terms>{member.terms, {}};
  }
  // Before anything is said of names and slices.
  if (auto closed = find_closed(*token, now))
    return pass_on(std::move(closed));
  member_admitted event{request.token, {}};
  auto& [contents, key, from, until] = event.terms;
  contents.network = root_.network;
  contents.id = fresh;
  contents.key = request.key;
  contents.groups = token->terms.groups;
  contents.prefixes = token->terms.prefixes;
  contents.revocation = list_number_;
  contents.allocation = allocations_ + 1;
  if (!request.name && !token->terms.name)
    return refuse(refusal::malformed,
                  "the request has no name, and the invitation none for it");
  contents.name = request.name ? *request.name : *token->terms.name;
  key = request.certificate;
  from = begin_for(now);
  const auto end = end_for(now);
  if (!end)
    return tl::unexpected(end.error());
  until = *end;
  if (contents.prefixes.empty()) {
    auto slices = pool_.find_free(now);
    if (!slices)
      return tl::unexpected(std::move(slices.error()));
    contents.prefixes = std::move(*slices);
  }
  std::sort(contents.prefixes.begin(), contents.prefixes.end());
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  auto terms = event.terms;
  return decide(std::move(terms), std::move(event), now);
}

accepted<decision<certificate_terms>>
issuer::renew(const member_id& id, const public_key& key,
              const verifying_key& certificate, network_time now) const {
  const auto* member = find_member(id);
  if (member == nullptr)
    return refuse(refusal::unknown_member, "no such member was let in here");
  if (member->removed)
    return refuse(refusal::revoked, "the member was removed");
  auto terms = member->terms;
  const bool same_keys = terms.contents.key == key && terms.key == certificate;
  // One that its issuer's end has cut short is renewed earlier.
  const auto age = std::min<std::chrono::seconds>(
    certificate_renewal_age, (terms.until - terms.from) * 2 / 3);
  const auto end = end_for(now);
  if (same_keys && (now < terms.from + age || (end && *end <= terms.until)))
    return decision<certificate_terms>{std::move(terms), {}};
  if (!end)
    return tl::unexpected(end.error());
  if (now < member->renewed + shortest_renewal_interval)
    return refuse(refusal::unavailable,
                  "the certificate was renewed within the last hour; ask again "
                  "after it");
  terms.contents.key = key;
  terms.key = certificate;
  ++terms.contents.generation;
  terms.contents.revocation = list_number_;
  terms.from = begin_for(now);
  terms.until = *end;
  member_renewed event{terms};
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  return decide(std::move(terms), std::move(event), now);
}

accepted<decision<member_id>>
issuer::remove(const member_id& id, network_time now) const {
  if (const auto* member = find_member(id); member && member->removed)
    return decision<member_id>{id, {}};
  const member_removed event{id};
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  return decide(id, event, now);
}

decision<revocation_list> issuer::list(network_time now) const {
  revocation_list next{root_.network,
                       self_.name,
                       next_revocation_number(list_number_, now),
                       now,
                       {}};
  for (const auto& each : removals_)
    next.removed.insert(each.who);
  const list_issued event{next.number};
  return decide(std::move(next), event, now);
}

decision<std::uint64_t>
issuer::begin_epoch(network_time now, std::uint64_t at_least) const {
  const auto next = std::max(epoch_ + 1, at_least);
  return decide(next, epoch_begun{next}, now);
}

accepted<network_time> issuer::end_for(network_time now) const {
  if (now >= end_)
    return refuse(refusal::expired,
                  "the issuer's own certificate has ended; renew it with the "
                  "root's key");
  return std::min<network_time>(now + certificate_lifetime, end_);
}

accepted<own_request> issuer::check_own_request(const_byte_span bytes) const {
  auto request = read_own_request(bytes);
  if (!request)
    return request;
  const auto* renewal = std::get_if<renewal_request>(&*request);
  const auto& [network, id, generation] = std::visit(
    [](const auto& each) {
      return leave_request{each.network, each.member, each.generation};
    },
    *request);
  if (network != root_.network)
    return refuse(refusal::wrong_network, "the request is for another network");
  const auto* member = find_member(id);
  if (member == nullptr)
    return refuse(refusal::unknown_member, "no such member was let in here");
  const auto& terms = member->terms;
  const bool is_repeated = renewal != nullptr
                           && generation + 1 == terms.contents.generation
                           && renewal->key == terms.contents.key
                           && renewal->certificate == terms.key;
  if (generation != terms.contents.generation && !is_repeated)
    return refuse(refusal::stale,
                  "the request is of another certificate than the member's "
                  "newest one");
  if (!is_own_request_signed_by(is_repeated ? member->former : terms.key,
                                bytes))
    return refuse(refusal::bad_signature,
                  "the request is not signed with the member's key");
  return request;
}

// -- recovery ----------------------------------------------------------------

accepted<decision<member_id>>
issuer::adopt(const certificate_terms& terms, network_time now) const {
  const auto& contents = terms.contents;
  const auto* known = find_member(contents.id);
  if (known != nullptr
      && known->terms.contents.generation >= contents.generation)
    return decision<member_id>{contents.id, {}};
  member_adopted event{terms};
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  return decide(contents.id, std::move(event), now);
}

accepted<decision<member_id>>
issuer::adopt_removal(const member_id& id, network_time now) const {
  const auto* known = find_member(id);
  if ((known != nullptr && known->removed) || removed_unknown_.count(id) != 0)
    return decision<member_id>{id, {}};
  const removal_adopted event{id};
  if (auto obstacle = find_obstacle(event, now))
    return pass_on(std::move(obstacle));
  return decide(id, event, now);
}

decision<std::uint64_t>
issuer::adopt_list(std::uint64_t number, network_time now) const {
  if (number <= list_number_)
    return {number, {}};
  return decide(number, list_issued{number}, now);
}

decision<std::uint64_t> issuer::finish_recovery(network_time now) const {
  const auto next = allocations_ + recovery_gap;
  return decide(next, journal_recovered{next}, now);
}

std::vector<std::uint64_t> issuer::old_epochs(std::uint64_t after) const {
  std::vector<std::uint64_t> old;
  for (const auto& each : epochs_) {
    if (each.when + certificate_lifetime + certificate_head_start > passed_)
      break;
    if (each.number > after)
      old.push_back(each.number);
  }
  return old;
}

// -- lookups -----------------------------------------------------------------

const issuer::token_state*
issuer::find_token(const verifying_key& token) const {
  const auto found = tokens_.find(token);
  return found == tokens_.end() ? nullptr : &found->second;
}

const issuer::member_state* issuer::find_member(const member_id& id) const {
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second;
}

const issuer::member_state* issuer::find_member(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : find_member(found->second);
}

} // namespace weft
