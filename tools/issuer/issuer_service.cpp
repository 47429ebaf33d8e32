#include "tools/issuer/issuer_service.hpp"

#include "platform/saved_file.hpp"
#include "tools/issuer/issuer_work.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace weft {

namespace {

/// Of items in a page of ask_items.
constexpr std::size_t most_items_in_page = 256;

/// All that a journal says, taken over.
result<issuer> read_journal(const journal_file& file) {
  std::optional<accepted<issuer>> who;
  std::optional<refused> wrong;
  const auto read = file.read([&](const_byte_span entry) {
    if (!who) {
      who = issuer::from_journal(entry, most_listed);
      return who->has_value();
    }
    if (auto done = (*who)->take_over(entry); !done)
      wrong = done.error();
    return !wrong;
  });
  if (!read)
    return tl::unexpected(to_system_error(read.error()));
  if (who && !*who)
    wrong = who->error();
  if (wrong)
    return tl::unexpected(make_system_error(
      0, "The issuer's journal does not hold together: " + wrong->what,
      remedy_for_damage("weft-issuer FOLDER --recover BACKUP")));
  return std::move(**who);
}

} // namespace

// -- the journal --------------------------------------------------------------

result<void> issuer_service::working::read() {
  who_.reset();
  journal_.reset(); // lets go of the file
  batch_ = {};
  decided_.clear();
  decided_news_.clear();
  auto journal = journal_file::open(journal_folder(folder_));
  if (!journal)
    return tl::unexpected(to_system_error(journal.error()));
  journal_ = std::move(*journal);
  auto secret = journal_->secret();
  if (!secret)
    return tl::unexpected(to_system_error(secret.error()));
  secret_ = std::move(*secret);
  if (journal_->length() == 0)
    return {};
  auto who = read_journal(*journal_);
  if (!who)
    return tl::unexpected(std::move(who.error()));
  if (!is_of(keys_, *who))
    return tl::unexpected(make_system_error(
      0,
      "The journal in " + journal_folder(folder_)
        + " is not of the issuer whose certificate is in " + folder_,
      "Put both from one backup there"));
  who_ = std::move(*who);
  who_->set_end(certificate().until);
  return {};
}

bool is_of(const authority& keys, const issuer& journal) {
  return certificate_contents{journal.root()} == keys.root.contents
         && certificate_contents{journal.self()}
              == keys.issuer.certificate.contents;
}

accepted<byte_vector> issuer_service::working::begin(network_time now) const {
  return issuer::begin(std::get<root_contents>(keys_.root.contents),
                       std::get<issuer_contents>(certificate().contents), now);
}

result<void> issuer_service::working::start(instant now, clock_word clock) {
  if (auto done = read(); !done)
    return done;
  const auto at = seconds_of(now);
  if (!who_ && was_begun())
    return tl::unexpected(make_system_error(
      0,
      "The journal in " + journal_folder(folder_)
        + " is gone, and a new one would give out addresses a second time",
      "Restore the newest backup by 'weft-issuer " + folder_
        + " --recover BACKUP'"));
  if (!who_) {
    auto first = begin(at);
    if (!first)
      return tl::unexpected(make_system_error(0, first.error().what));
    who_ = issuer::from_journal(*first, most_listed).value();
    who_->set_end(certificate().until);
    batch_.entries.push_back(std::move(*first));
    begin_epoch(at);
  }
  if (clock == clock_word::is_right && !journal_->is_recovering())
    sign_list(at);
  list_due_ = now.now + until_next_list(time_at(now));
  sign_due(now);
  write();
  if (failure_)
    return tl::unexpected(*failure_);
  if (!who_) // the first entry is not there
    return tl::unexpected(make_system_error(0, news_.back().text));
  return was_begun() ? result<void>{} : make_secret_file(begun_file(), {});
}

bool issuer_service::working::was_begun() const {
  std::error_code failed;
  return std::filesystem::exists(begun_file(), failed);
}

void issuer_service::working::put(byte_vector key,
                                  std::optional<byte_vector> content) {
  batch_.items.push_back(
    {who_->chain().length(), std::move(key), std::move(content)});
}

std::optional<byte_vector>
issuer_service::working::find_item(const byte_vector& key) const {
  const auto newest
    = std::find_if(batch_.items.rbegin(), batch_.items.rend(),
                   [&](const auto& each) { return each.key == key; });
  if (newest != batch_.items.rend())
    return newest->content;
  auto found = journal_->find_item(key);
  return found ? std::move(*found) : std::nullopt;
}

std::vector<issuer_service::answered> issuer_service::working::write() {
  const auto batch = std::exchange(batch_, {});
  auto answers = std::exchange(decided_, {});
  const auto told = std::exchange(decided_news_, {});
  const auto written
    = batch.empty() ? store_result<void>{} : journal_->append(batch);
  if (written) {
    news_.insert(news_.end(), told.begin(), told.end());
    return answers;
  }
  warn(written.error().message);
  for (auto& each : answers)
    each.answer = issuing_refused{
      not_now("the issuer's journal cannot be written; ask again. "
              + written.error().message)};
  if (auto done = read(); !done)
    failure_ = std::move(done.error());
  return answers;
}

// -- questions ----------------------------------------------------------------

template <class Question>
issuing_answer
issuer_service::working::answer(const Question& question, instant now) {
  constexpr bool may_always_be_asked
    = std::is_same_v<
        Question,
        ask_tokens> || std::is_same_v<Question, ask_members> || std::is_same_v<Question, ask_state> || std::is_same_v<Question, ask_adoption> || std::is_same_v<Question, ask_backup>;
  if constexpr (!may_always_be_asked) {
    if (auto reason = find_reason_to_wait(now); !reason.empty())
      return issuing_refused{not_now(reason)};
  }
  return make_answer(question, time_at(now));
}

void issuer_service::working::ask(asker from, role as,
                                  const issuing_question& question,
                                  instant now) {
  const bool is_directorys = std::holds_alternative<ask_admission>(question)
                             || std::holds_alternative<ask_for_itself>(question)
                             || std::holds_alternative<ask_items>(question);
  if (as == role::directory && !is_directorys) {
    decided_.push_back(
      {from, issuing_refused{not_allowed("a directory may not ask for this")}});
    return;
  }
  if (const auto* items = std::get_if<ask_items>(&question)) {
    const auto patience = std::clamp<std::chrono::seconds>(
      items->patience, std::chrono::seconds::zero(), longest_patience);
    waiters_.push_back({from, items->after, now.now + patience});
    return;
  }
  who_->set_clock(seconds_of(now));
  decided_.push_back(
    {from, std::visit([&](const auto& each) { return answer(each, now); },
                      question)});
}

void issuer_service::working::forget(asker who) {
  std::erase_if(waiters_, [&](const auto& each) { return each.from == who; });
  std::erase_if(decided_, [&](const auto& each) { return each.to == who; });
}

std::vector<issuer_service::answered>
issuer_service::working::settle(instant now) {
  tell_end(now);
  sign_due(now);
  auto answers = write();
  if (failure_)
    return answers;
  auto others = answer_waiters(now);
  std::move(others.begin(), others.end(), std::back_inserter(answers));
  return answers;
}

std::vector<issuer_service::answered>
issuer_service::working::answer_waiters(instant now) {
  std::vector<answered> answers;
  std::erase_if(waiters_, [&](const waiter& each) {
    if (each.after == journal_->place() && now.now < each.until)
      return false;
    auto page
      = journal_->items_after(each.after, most_page_bytes, most_items_in_page);
    if (page)
      answers.push_back(
        {each.from, issued_items{std::move(page->items), std::move(page->gone),
                                 page->through, page->more}});
    else
      answers.push_back(
        {each.from, issuing_refused{not_now(page.error().message)}});
    return true;
  });
  return answers;
}

time_point issuer_service::working::next_deadline() const {
  auto next = list_due_;
  for (const auto& each : waiters_)
    next = std::min(next, each.until);
  return next;
}

// -- the service --------------------------------------------------------------

issuer_service::issuer_service(std::unique_ptr<working> all)
  : working_(std::move(all)) {
}
issuer_service::issuer_service(issuer_service&&) noexcept = default;
issuer_service& issuer_service::operator=(issuer_service&&) noexcept = default;
issuer_service::~issuer_service() = default;

result<issuer_service>
issuer_service::open(const std::string& folder, instant now,
                     random_source& random, clock_word clock) {
  auto keys = read_authority(folder);
  if (!keys)
    return tl::unexpected(std::move(keys.error()));
  auto all = std::make_unique<working>(folder, std::move(*keys), random);
  if (auto started = all->start(now, clock); !started)
    return tl::unexpected(std::move(started.error()));
  return issuer_service{std::move(all)};
}

void issuer_service::ask(asker from, role as, const issuing_question& question,
                         instant now) {
  working_->ask(from, as, question, now);
}

void issuer_service::forget(asker who) {
  working_->forget(who);
}

std::vector<issuer_service::answered> issuer_service::settle(instant now) {
  return working_->settle(now);
}

time_point issuer_service::next_deadline() const {
  return working_->next_deadline();
}

bool issuer_service::is_recovering() const {
  return working_->journal_->is_recovering();
}

const issuer& issuer_service::state() const {
  return *working_->who_;
}

const network_certificate& issuer_service::certificate() const {
  return working_->keys_.issuer.certificate;
}

std::vector<issuer_service::news> issuer_service::take_news() {
  return std::exchange(working_->news_, {});
}

const std::optional<system_error>& issuer_service::failure() const {
  return working_->failure_;
}

} // namespace weft
