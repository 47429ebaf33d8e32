#include "actors/network/member_knowledge.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// Issuers before what they sign, certificates before what their holders say.
int turn_of(item_kind kind) {
  switch (kind) {
    case item_kind::issuer:
      return 0;
    case item_kind::list:
      return 1;
    case item_kind::certificate:
      return 2;
    case item_kind::record:
      return 3;
    case item_kind::secret:
      break;
  }
  return 4;
}

} // namespace

member_knowledge::news& member_knowledge::news::operator|=(const news& other) {
  peers = peers || other.peers;
  lists = lists || other.lists;
  epoch = epoch || other.epoch;
  own_side = own_side || other.own_side;
  certificates = certificates || other.certificates;
  return *this;
}

member_knowledge::member_knowledge(settings given, view_marks marks,
                                   preshared_epochs epochs)
  : root_(std::move(given.root)), self_(given.self),
    view_({std::get<root_contents>(root_.contents), given.self, given.own_key,
           std::move(given.wider)},
          std::move(marks)),
    epochs_(std::move(epochs)) {
}

// -- what comes in -----------------------------------------------------------

member_knowledge::news
member_knowledge::take(std::span<const network_item> items, const lookup& told,
                       network_time now) {
  std::vector<std::pair<int, const network_item*>> ordered;
  ordered.reserve(items.size());
  for (const auto& each : items)
    if (const auto kind = kind_of(each.key))
      ordered.emplace_back(turn_of(*kind), &each);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) {
                     return a.first < b.first;
                   });
  news all;
  for (const auto& [turn, item] : ordered)
    all |= take_one(*item, told, now);
  return all;
}

member_knowledge::news
member_knowledge::take_one(const network_item& item, const lookup& told,
                           network_time now) {
  // A signature that was right needs no second look.
  const auto* known = believed(item.key);
  if (known != nullptr && *known == item.content)
    return {};
  switch (*kind_of(item.key)) {
    case item_kind::issuer:
      return take_issuer(item, told, now);
    case item_kind::certificate:
      return take_certificate(item, told, now);
    case item_kind::record:
      return take_record(item);
    case item_kind::list:
      return take_list(item, told);
    case item_kind::secret:
      break;
  }
  return take_secret(item, told, now);
}

member_knowledge::news
member_knowledge::look_again(const byte_vector& key, const lookup& told,
                             network_time now) {
  const auto* content = told(key);
  if (content == nullptr)
    return {};
  return take_one({key, *content}, told, now);
}

/// Only what is told: nothing else could be looked up.
void member_knowledge::wait_for(const byte_vector& key, const lookup& told) {
  if (told(key) != nullptr)
    waiting_.emplace(key, false);
}

void member_knowledge::forget(std::span<const byte_vector> keys) {
  for (const auto& each : keys)
    waiting_.erase(each);
}

void member_knowledge::forget_untold(const lookup& told) {
  std::erase_if(waiting_,
                [&](const auto& each) { return told(each.first) == nullptr; });
}

member_knowledge::news
member_knowledge::look_at_issuers(const lookup& told, network_time now) {
  std::vector<byte_vector> issuers;
  for (const auto& [key, counted] : waiting_)
    if (kind_of(key) == item_kind::issuer)
      issuers.push_back(key);
  news all;
  for (const auto& key : issuers)
    all |= look_again(key, told, now);
  return all;
}

void member_knowledge::believe(const network_item& item) {
  waiting_.erase(item.key);
  believed_[item.key] = item;
}

member_knowledge::news member_knowledge::refuse(const refused& why) {
  ++refusals_.at(static_cast<std::size_t>(why.why));
  return {};
}

member_knowledge::news
member_knowledge::take_issuer(const network_item& item, const lookup& told,
                              network_time now) {
  const auto issuer = verify_issuer(root_, item.content, now);
  if (!issuer) {
    const auto why = issuer.error().why;
    if (why != refusal::not_yet_valid && why != refusal::expired) {
      waiting_.erase(item.key);
      return refuse(issuer.error());
    }
    // A clock that is set right changes that.
    wait_for(item.key, told);
    const auto waits = waiting_.find(item.key);
    if (waits != waiting_.end() && std::exchange(waits->second, true))
      return {}; // it was counted
    return refuse(issuer.error());
  }
  waiting_.erase(item.key);
  if (item.key != item_key(item_kind::issuer, issuer->contents.name))
    return refuse({refusal::malformed, "an issuer under another key"});
  const auto is_new = view_.add_issuer(*issuer);
  if (!is_new || !*is_new)
    return {};
  auto certificate = read_network_certificate(item.content);
  if (!certificate)
    return refuse(certificate.error());
  issuers_.insert_or_assign(issuer->contents.name, std::move(*certificate));
  believe(item);
  news all{true, false, false, true, true};
  for (const auto& [key, counted] : std::map<byte_vector, bool>(waiting_))
    if (kind_of(key) != item_kind::issuer)
      all |= look_again(key, told, now);
  return all;
}

member_knowledge::news
member_knowledge::take_certificate(const network_item& item, const lookup& told,
                                   network_time now) {
  for (const auto& [name, issuer] : issuers_) {
    const auto member = verify_issued(issuer, item.content);
    if (!member)
      continue;
    const auto verified = to_verified(*member, issuer);
    if (!verified)
      return refuse(verified.error());
    const auto& id = verified->contents.id;
    if (item.key != item_key(item_kind::certificate, id))
      return refuse({refusal::malformed, "a certificate under another key"});
    const auto is_new = view_.add_certificate(*verified);
    if (!is_new || !*is_new)
      return {};
    believe(item);
    news all{true, false, false, id == self_, true};
    all |= look_again(item_key(item_kind::record, id), told, now);
    return all;
  }
  wait_for(item.key, told);
  return {};
}

member_knowledge::news member_knowledge::take_record(const network_item& item) {
  const auto record = member_record::read(item.content);
  if (!record)
    return refuse(record.error());
  if (item.key != item_key(item_kind::record, record->member()))
    return refuse({refusal::malformed, "a record under another key"});
  // It is looked up again with its member's certificate.
  if (record->network() == std::get<root_contents>(root_.contents).network
      && view_.members().count(record->member()) == 0)
    return {};
  const auto is_new = view_.add_record(*record);
  if (!is_new || !*is_new)
    return {};
  believe(item);
  return {true};
}

member_knowledge::news
member_knowledge::take_list(const network_item& item, const lookup& told) {
  const auto list = read_list_item(item.content);
  if (!list)
    return refuse({refusal::malformed, "a list without a signature"});
  const bool has_issuer
    = std::any_of(issuers_.begin(), issuers_.end(), [&](const auto& each) {
        return is_signed_by(each.second.key, *list)
               && item.key == item_key(item_kind::list, each.first);
      });
  if (!has_issuer) {
    wait_for(item.key, told);
    return {};
  }
  const auto is_new = view_.add_list(*list);
  if (!is_new || !*is_new)
    return {};
  believe(item);
  return {true, true, false, true};
}

/// Sealed under the secret before it, so they are opened one after the other.
member_knowledge::news
member_knowledge::take_secret(const network_item& item, const lookup& told,
                              network_time now) {
  const sealed_secret sealed{*epoch_of(item.key), item.content};
  if (sealed.epoch <= epochs_.newest() || epochs_.empty())
    return {};
  const auto& network = std::get<root_contents>(root_.contents).network;
  for (const auto& former : epochs_.held()) {
    auto opened = open_under(former.of, sealed, network);
    if (!opened)
      continue;
    epochs_.add(std::move(*opened), now);
    news all{false, false, true};
    all |= look_again(epoch_key(sealed.epoch + 1), told, now);
    return all;
  }
  return {}; // the one before it has not come yet
}

void member_knowledge::count_waiting() {
  for (auto& [key, counted] : waiting_)
    if (!std::exchange(counted, true))
      ++refusals_.at(static_cast<std::size_t>(refusal::bad_signature));
}

member_knowledge::news
member_knowledge::add_epoch(epoch_secret secret, const lookup& told,
                            network_time now) {
  if (!epochs_.add(std::move(secret), now))
    return {};
  news all{false, false, true};
  all |= look_again(epoch_key(epochs_.newest() + 1), told, now);
  return all;
}

bool member_knowledge::retire_epochs(network_time now) {
  const auto before = epochs_.held().size();
  epochs_.retire(now);
  return epochs_.held().size() != before;
}

// -- what is asked -----------------------------------------------------------

const byte_vector* member_knowledge::believed(const byte_vector& key) const {
  const auto found = believed_.find(key);
  return found == believed_.end() ? nullptr : &found->second.content;
}

std::vector<const network_item*> member_knowledge::kept() {
  std::erase_if(believed_, [this](const auto& each) {
    const auto id = member_of(each.first);
    return id && view_.members().count(*id) == 0; // it ended long ago
  });
  std::vector<const network_item*> all;
  all.reserve(believed_.size());
  for (const auto& [key, item] : believed_)
    all.push_back(&item);
  return all;
}

std::vector<const network_item*> member_knowledge::kept_beside() const {
  std::vector<const network_item*> all;
  for (const auto& [key, item] : believed_) {
    const auto kind = kind_of(key);
    if (kind == item_kind::issuer || kind == item_kind::list
        || key == item_key(item_kind::certificate, self_)
        || key == item_key(item_kind::record, self_))
      all.push_back(&item);
  }
  return all;
}

std::vector<network_item> member_knowledge::held() const {
  std::vector<network_item> all;
  for (const auto& [key, item] : believed_) {
    const auto kind = kind_of(key);
    if (kind == item_kind::issuer || kind == item_kind::list
        || key == item_key(item_kind::certificate, self_))
      all.push_back(item);
  }
  return all;
}

std::map<std::string, std::uint64_t> member_knowledge::refused_so_far() const {
  std::map<std::string, std::uint64_t> counts;
  for (std::size_t i = 0; i < refusal_count; ++i) {
    const auto why = static_cast<refusal>(i);
    const auto count = refusals_[i] + view_.refused_so_far(why);
    if (count != 0)
      counts.emplace(to_string(why), count);
  }
  return counts;
}

} // namespace weft
