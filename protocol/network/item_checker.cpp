#include "protocol/network/item_checker.hpp"

#include <algorithm>
#include <utility>

namespace weft {

item_checker::item_checker(root_contents root, item_judge judge,
                           const bucket_table& items)
  : root_(std::move(root)), judge_(std::move(judge)), items_(items) {
}

// -- issuers -----------------------------------------------------------------

bool item_checker::follow(const byte_vector& key) {
  const auto name = issuer_of(key);
  if (!name)
    return false;
  const auto* certificate = items_.find(item_key(item_kind::issuer, *name));
  if (certificate == nullptr)
    return false;
  auto& known = issuers_[*name];
  if (known.der != *certificate) {
    auto verified = judge_.issuer(*certificate);
    if (!verified || verified->contents.name != *name) {
      if (known.der.empty())
        issuers_.erase(*name);
      return false;
    }
    known.der = *certificate;
    known.verified = std::move(*verified);
  }
  const auto* content = items_.find(item_key(item_kind::list, *name));
  if (content == nullptr)
    return false;
  auto list = judge_list(*name, *content);
  // An older one lets nobody in again.
  if (!list || (known.list && list->number <= known.list->number))
    return false;
  known.list = std::move(*list);
  return true;
}

bool item_checker::is_removed(const std::string& issuer,
                              const member_id& member) const {
  const auto found = issuers_.find(issuer);
  return found != issuers_.end() && found->second.list
         && found->second.list->removed.count(member) != 0;
}

accepted<revocation_list>
item_checker::judge_list(const std::string& issuer,
                         const_byte_span content) const {
  const auto found = issuers_.find(issuer);
  const auto bytes = read_list_item(content);
  if (found == issuers_.end() || !bytes
      || !is_signed_by(found->second.verified.key, *bytes))
    return refuse(refusal::bad_signature,
                  "the list is signed by no issuer known here");
  auto list = read_revocation_list(bytes->content);
  if (list && (list->network != root_.network || list->issuer != issuer))
    return refuse(refusal::wrong_network,
                  "the list is of another network or issuer");
  return list;
}

// -- members -----------------------------------------------------------------

accepted<verified_certificate>
item_checker::judge_member(const_byte_span certificate) const {
  for (const auto& [name, issuer] : issuers_) {
    auto member = judge_.member(certificate, issuer.der);
    if (!member || member->issuer != name)
      continue;
    if (auto breach
        = find_breach(root_, issuer.verified.contents, member->contents))
      return tl::unexpected(std::move(*breach));
    return member;
  }
  return refuse(refusal::bad_signature,
                "the certificate is of no issuer known here");
}

std::optional<network_time>
item_checker::end_of(const_byte_span certificate) const {
  const auto member = judge_member(certificate);
  return member ? std::optional(member->until) : std::nullopt;
}

std::optional<record_signer>
item_checker::held_signer(const std::string& issuer,
                          const member_id& member) const {
  const auto* held = items_.find(item_key(item_kind::certificate, member));
  if (held == nullptr)
    return std::nullopt;
  const auto known = judge_member(*held);
  if (!known || known->issuer != issuer || known->contents.id != member)
    return std::nullopt;
  return record_signer{known->contents.name, member, known->key,
                       known->contents.generation};
}

std::optional<refused>
item_checker::find_mistake_in(const member_record& record,
                              const record_signer& by) const {
  const auto wrong = [&](refusal why, std::string_view how) {
    return refused{why, "the record of '" + by.name + "' " + std::string{how}};
  };
  if (record.network() != root_.network)
    return wrong(refusal::wrong_network, "is of another network");
  if (record.member() != by.id)
    return wrong(refusal::not_allowed, "is another member's");
  if (record.order().generation > by.generation)
    return wrong(refusal::malformed, "is ahead of its certificate");
  if (const auto* inside = find_inside(record.content(), root_.ranges))
    return wrong(refusal::not_allowed, "has the endpoint "
                                         + to_string(inside->where)
                                         + " inside of the network");
  if (!record.verify(by.key))
    return wrong(refusal::bad_signature, "is not signed by it");
  return std::nullopt;
}

network_time item_checker::latest_signed() const {
  network_time latest{};
  for (const auto& [name, issuer] : issuers_) {
    if (issuer.list)
      latest = std::max(latest, issuer.list->issued);
  }
  return latest;
}

// -- which is newer ----------------------------------------------------------

accepted<bool>
item_checker::is_newer(const network_item& shown, network_time now) const {
  const auto kind = kind_of(shown.key);
  if (!kind || !is_item(shown))
    return refuse(refusal::malformed, "it is no item, or too large for one");
  const auto* held = items_.find(shown.key);
  if (held != nullptr && *held == shown.content)
    return false;
  switch (*kind) {
    case item_kind::issuer:
      return is_newer_issuer(shown, now);
    case item_kind::certificate:
      return is_newer_certificate(shown, now);
    case item_kind::record:
      return refuse(refusal::not_allowed, "a record is published, not shown");
    case item_kind::list:
      return is_newer_list(shown);
    case item_kind::secret:
      break; // sealed: nobody could tell a right one here
  }
  return refuse(refusal::not_allowed, "a secret is the issuer's to give");
}

accepted<bool> item_checker::is_newer_issuer(const network_item& shown,
                                             network_time now) const {
  const auto issuer = judge_.issuer(shown.content);
  if (!issuer)
    return tl::unexpected(issuer.error());
  if (auto breach = find_breach(root_, issuer->contents))
    return tl::unexpected(std::move(*breach));
  if (issuer->contents.name != issuer_of(shown.key))
    return refuse(refusal::malformed, "the certificate is another issuer's");
  if (issuer->until <= now)
    return refuse(refusal::expired, "the issuer's certificate has ended");
  const auto known = issuers_.find(issuer->contents.name);
  return known == issuers_.end()
         || std::pair(issuer->until, issuer->key) > std::pair(
              known->second.verified.until, known->second.verified.key);
}

accepted<bool> item_checker::is_newer_certificate(const network_item& shown,
                                                  network_time now) const {
  const auto member = judge_member(shown.content);
  if (!member)
    return tl::unexpected(member.error());
  if (member->contents.id != member_of(shown.key))
    return refuse(refusal::malformed, "the certificate is another member's");
  if (is_removed(member->issuer, member->contents.id))
    return refuse(refusal::revoked,
                  "'" + member->contents.name + "' was removed");
  if (member->until <= now)
    return refuse(refusal::expired, "the certificate of '"
                                      + member->contents.name + "' has ended");
  const auto* held = items_.find(shown.key);
  const auto known = held != nullptr ? judge_member(*held) : member;
  return held == nullptr || !known
         || known->contents.generation < member->contents.generation;
}

accepted<bool> item_checker::is_newer_list(const network_item& shown) const {
  const auto name = issuer_of(shown.key).value_or("");
  const auto list = judge_list(name, shown.content);
  if (!list)
    return tl::unexpected(list.error());
  const auto* held = items_.find(shown.key);
  const auto known = held != nullptr ? judge_list(name, *held) : list;
  return held == nullptr || !known || known->number < list->number;
}

} // namespace weft
