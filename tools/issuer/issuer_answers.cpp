#include "tools/issuer/issuer_work.hpp"

#include <algorithm>

namespace weft {

namespace {

std::string joined_text(const std::vector<ip_prefix>& prefixes) {
  std::string text;
  for (const auto& each : prefixes)
    text += (text.empty() ? "" : ", ") + to_string(each);
  return text;
}

} // namespace

// -- members ------------------------------------------------------------------

std::optional<sealed_secret>
issuer_service::working::sealed_for(const verifying_key& key) {
  return secret_ ? seal_for_token(key, *secret_, network(), random_)
                 : std::nullopt;
}

accepted<byte_vector>
issuer_service::working::certify(decision<certificate_terms> made) {
  const auto terms = made.answer;
  auto key = item_key(item_kind::certificate, terms.contents.id);
  if (!made.entry) {
    if (auto known = find_item(key))
      return std::move(*known);
    return tl::unexpected(not_allowed(
      "the certificate was lost; ask for another one by a renewal"));
  }
  auto certificate = make_network_certificate(terms.contents, terms.key,
                                              {terms.from, terms.until},
                                              keys_.issuer, random_);
  if (!certificate)
    return tl::unexpected(not_now(certificate.error().message));
  keep(std::move(made));
  put(std::move(key), certificate->der);
  const auto& contents = terms.contents;
  decided_news_.push_back(
    {false,
     contents.name + " (" + to_string(contents.id) + ", "
       + joined_text(contents.prefixes) + ") has "
       + (contents.generation == 1 ? "joined" : "renewed its certificate")});
  return std::move(certificate->der);
}

issuing_answer issuer_service::working::make_answer(const ask_admission& what,
                                                    network_time now) {
  const auto request = check_signatures(what.request, what.exporter);
  if (!request)
    return issuing_refused{request.error()};
  auto made = who_->admit(*request, member_id::draw(random_), now);
  if (!made)
    return issuing_refused{made.error()};
  auto own = certify(std::move(*made));
  if (!own)
    return issuing_refused{own.error()};
  return join_answer_given{
    {{std::move(*own), certificate().der}, sealed_for(request->token)}};
}

issuing_answer issuer_service::working::make_answer(const ask_for_itself& what,
                                                    network_time now) {
  const auto request = who_->check_own_request(what.request);
  if (!request)
    return issuing_refused{request.error()};
  if (const auto* renewal = std::get_if<renewal_request>(&*request))
    return renew(*renewal, now);
  return leave(std::get<leave_request>(*request), now);
}

issuing_answer
issuer_service::working::renew(const renewal_request& what, network_time now) {
  auto made = who_->renew(what.member, what.key, what.certificate, now);
  if (!made)
    return issuing_refused{made.error()};
  auto own = certify(std::move(*made));
  if (!own)
    return issuing_refused{own.error()};
  return certified_answer{{std::move(*own), certificate().der},
                          sealed_for(what.certificate)};
}

issuing_answer
issuer_service::working::leave(const leave_request& what, network_time now) {
  // Others may have the same token, and who leaves is not thrown out.
  if (auto why = remove(what.member, its_token::stays, now))
    return issuing_refused{std::move(*why)};
  return issuing_done{};
}

issuing_answer issuer_service::working::make_answer(const ask_removal& what,
                                                    network_time now) {
  const auto* member = who_->find_member(what.name);
  if (member == nullptr)
    return issuing_refused{
      {refusal::unknown_member, "no member is called '" + what.name + "'"}};
  if (auto why = remove(member->terms.contents.id, its_token::withdrawn, now))
    return issuing_refused{std::move(*why)};
  return issuing_done{};
}

std::optional<refused>
issuer_service::working::remove(const member_id& id, its_token token,
                                network_time now) {
  auto made = who_->remove(id, now);
  if (!made)
    return made.error();
  if (!made->entry) // it was removed before
    return std::nullopt;
  keep(std::move(*made));
  put(item_key(item_kind::certificate, id), std::nullopt);
  put(item_key(item_kind::record, id), std::nullopt);
  const auto& member = *who_->find_member(id);
  decided_news_.push_back({false, member.terms.contents.name + " ("
                                    + to_string(id) + ") was removed"});
  if (token == its_token::withdrawn) {
    if (auto withdrawn = who_->withdraw(member.token, now))
      keep(std::move(*withdrawn)); // unless it is a token of a lost journal
  }
  sign_list(now);
  begin_epoch(now);
  return std::nullopt;
}

// -- tokens, directories, and what is so --------------------------------------

issuing_answer
issuer_service::working::make_answer(const ask_items&, network_time) {
  return issuing_refused{not_allowed("items are waited for")}; // ask() has them
}

issuing_answer issuer_service::working::make_answer(const ask_invitation& what,
                                                    network_time now) {
  auto made = who_->invite(what.terms, now);
  if (!made)
    return issuing_refused{made.error()};
  keep(std::move(*made));
  return issuing_done{};
}

issuing_answer issuer_service::working::make_answer(const ask_withdrawal& what,
                                                    network_time now) {
  auto made = who_->withdraw(what.token, now);
  if (!made)
    return issuing_refused{made.error()};
  keep(std::move(*made));
  return issuing_done{};
}

issuing_answer
issuer_service::working::make_answer(const ask_directory_certificate& what,
                                     network_time now) {
  const directory_contents contents{network(), what.name};
  if (auto wrong = find_mistake(contents))
    return issuing_refused{std::move(*wrong)};
  if (auto wrong = find_breach(who_->root(), contents))
    return issuing_refused{std::move(*wrong)};
  if (now >= certificate().until)
    return issuing_refused{{refusal::expired,
                            "the issuer's own certificate has ended; renew it "
                            "with the root's key"}};
  auto made
    = make_network_certificate(contents, what.key,
                               {who_->begin_for(now), now + directory_lifetime},
                               keys_.issuer, random_);
  if (!made)
    return issuing_refused{not_now(made.error().message)};
  decided_news_.push_back(
    {false, "the directory '" + what.name + "' has a certificate"});
  return certified_answer{{std::move(made->der), certificate().der}, {}};
}

issuing_answer
issuer_service::working::make_answer(const ask_tokens& what, network_time) {
  const auto& all = who_->tokens();
  tokens_answer page;
  auto each = what.after ? all.upper_bound(*what.after) : all.begin();
  for (; each != all.end() && page.tokens.size() < most_issuing_page; ++each)
    page.tokens.push_back(
      {each->second.terms, each->second.used, each->second.withdrawn});
  page.more = each != all.end();
  return page;
}

issuing_answer
issuer_service::working::make_answer(const ask_members& what, network_time) {
  const auto& all = who_->members();
  members_answer page;
  auto each = what.after ? all.upper_bound(*what.after) : all.begin();
  for (; each != all.end() && page.members.size() < most_issuing_page; ++each)
    page.members.push_back({each->second.terms, each->second.removed});
  page.more = each != all.end();
  return page;
}

issuing_answer
issuer_service::working::make_answer(const ask_state&, network_time) {
  state_answer state;
  state.root = who_->root();
  state.issuer = who_->self();
  state.journal = who_->chain().length();
  state.head = who_->chain().head();
  const auto& members = who_->members();
  state.members = static_cast<std::uint64_t>(
    std::count_if(members.begin(), members.end(),
                  [](const auto& each) { return !each.second.removed; }));
  state.epoch = who_->epoch();
  state.list = who_->list_number();
  state.ends = certificate().until;
  state.recovering = journal_->is_recovering();
  return state;
}

issuing_answer
issuer_service::working::make_answer(const ask_backup& what, network_time) {
  if (what.path.empty() || what.path.front() != '/')
    return issuing_refused{
      not_allowed("a backup needs a whole path, from / on")};
  // What was decided just now is in the next one.
  if (auto done = journal_->back_up(what.path); !done)
    return issuing_refused{not_now(done.error().message)};
  return issuing_done{};
}

} // namespace weft
