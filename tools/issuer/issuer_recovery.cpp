#include "platform/acting_user.hpp"
#include "tools/issuer/issuer_work.hpp"

#include <algorithm>

namespace weft {

namespace {

/// What is shown to an issuer that recovers, in all.
constexpr std::size_t most_adopted_items = 200'000;

} // namespace

issuing_answer issuer_service::working::make_answer(const ask_adoption& what,
                                                    network_time now) {
  if (!journal_->is_recovering() || batch_.ends_recovery)
    return issuing_refused{not_allowed(
      "the issuer's journal was not restored, so it lacks nothing")};
  if (shown_.size() + what.items.size() > most_adopted_items)
    return issuing_refused{
      {refusal::exhausted, "more was shown than an issuer signs"}};
  shown_.insert(shown_.end(), what.items.begin(), what.items.end());
  if (!what.last)
    return issuing_done{};
  // Names and slices of those that were removed may be others' since.
  adopt_lists(now);
  adopt_certificates(now);
  shown_.clear();
  const auto closed
    = std::count_if(who_->tokens().begin(), who_->tokens().end(),
                    [](const auto& each) { return !each.second.withdrawn; });
  keep(who_->finish_recovery(now));
  decided_news_.push_back(
    {false, "the journal is complete again; its tokens are withdrawn ("
              + std::to_string(closed)
              + "), since what they were used for after the backup is not "
                "known: give out new ones"});
  sign_list(now);
  // Above all epochs that there were.
  begin_epoch(now, static_cast<std::uint64_t>(now.time_since_epoch().count()));
  batch_.ends_recovery = true;
  return issuing_done{};
}

void issuer_service::working::adopt_lists(network_time now) {
  for (const auto& each : shown_) {
    const auto bytes = kind_of(each.key) == item_kind::list
                         ? read_list_item(each.content)
                         : std::nullopt;
    if (!bytes || !is_signed_by(certificate().key, *bytes))
      continue;
    const auto list = read_revocation_list(bytes->content);
    if (!list || list->network != network()
        || list->issuer != who_->self().name)
      continue;
    for (const auto& id : list->removed) {
      auto made = who_->adopt_removal(id, now);
      if (!made) {
        warn("the removal of " + to_string(id)
             + " was not taken over: " + made.error().what);
        continue;
      }
      if (!made->entry)
        continue;
      keep(std::move(*made));
      put(item_key(item_kind::certificate, id), std::nullopt);
      put(item_key(item_kind::record, id), std::nullopt);
    }
    keep(who_->adopt_list(list->number, now));
  }
}

void issuer_service::working::adopt_certificates(network_time now) {
  std::size_t adopted = 0;
  for (const auto& each : shown_) {
    if (kind_of(each.key) != item_kind::certificate)
      continue;
    const auto read = verify_issued(certificate(), each.content);
    if (!read)
      continue; // another issuer's
    const auto* contents = std::get_if<member_contents>(&read->contents);
    if (contents == nullptr)
      continue;
    auto made
      = who_->adopt({*contents, read->key, read->from, read->until}, now);
    if (!made) {
      warn("the certificate of " + contents->name + " ("
           + to_string(contents->id)
           + ") was not taken over: " + made.error().what);
      continue;
    }
    if (!made->entry)
      continue;
    keep(std::move(*made));
    put(item_key(item_kind::certificate, contents->id), each.content);
    ++adopted;
  }
  tell(std::to_string(adopted)
       + " certificates that the journal lacked were "
         "taken over");
}

result<void> recover_issuer(const std::string& folder,
                            const std::string& backup, instant now) {
  // A backup is whoever's who restores it; what is made of it is the issuer's.
  const auto opened = journal_backup::open(backup);
  if (!opened)
    return tl::unexpected(to_system_error(opened.error()));
  const auto owner = acting_user::owner_of(folder);
  if (!owner)
    return tl::unexpected(owner.error());
  const auto keys = read_authority(folder);
  if (!keys)
    return tl::unexpected(keys.error());
  const auto first = opened->first_entry();
  if (!first)
    return tl::unexpected(to_system_error(first.error()));
  const auto who = *first ? issuer::from_journal(**first, most_listed)
                          : tl::unexpected(refused{});
  if (!who || !is_of(*keys, *who))
    return tl::unexpected(make_system_error(
      0,
      backup + " is not a backup of the issuer whose certificate is in "
        + folder,
      "Put its certificates and keys from the same backup there"));
  if (auto done = opened->restore_to(journal_folder(folder), seconds_of(now));
      !done)
    return tl::unexpected(to_system_error(done.error()));
  return {};
}

} // namespace weft
