// The issuer of the simulated network: its journal, what it gives out, and what
// must hold of that.
#include "protocol/network/ranges.hpp"
#include "protocol/network/renewal.hpp"
#include "tests/sim/directories.hpp"

namespace weft::test {

namespace {

constexpr std::size_t most_items_of_answer = 100;

} // namespace

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

} // namespace weft::test
