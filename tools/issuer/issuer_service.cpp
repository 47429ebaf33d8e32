#include "tools/issuer/issuer_service.hpp"

#include "platform/acting_user.hpp"
#include "platform/saved_file.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace weft {

namespace {

/// Of items in a page of ask_items.
constexpr std::size_t most_items_in_page = 256;
/// When the end of the issuer's certificate is told of, and how often.
constexpr std::chrono::hours end_notice{24 * 60};
constexpr std::chrono::hours end_reminder{24};
/// Removed members in a list, which directories' stores have to take.
constexpr std::size_t most_listed
  = (largest_store_value - most_certificate_bytes) / member_id::size;
/// What is shown to an issuer that recovers, in all.
constexpr std::size_t most_adopted_items = 200'000;

/// What can be written, and has room before and behind it for a certificate's
/// times, whatever the clock says.
network_time seconds_of(const instant& now) {
  return std::clamp<network_time>(
    std::chrono::floor<std::chrono::seconds>(now.wall),
    network_time{certificate_lifetime}, latest_network_time - root_lifetime);
}

/// Behind which the host's clock is told of.
constexpr std::chrono::minutes noticed_clock_gap{10};
/// How often an odd clock is looked at, and told of.
constexpr std::chrono::seconds clock_look{10};
constexpr std::chrono::hours clock_reminder{1};
/// Of epochs that are taken out with one list; an entry changes few items.
constexpr std::size_t most_epochs_gone = 32;

std::string days_of(std::chrono::seconds gap) {
  const auto hours
    = std::chrono::duration_cast<std::chrono::hours>(gap).count();
  constexpr std::chrono::hours::rep hours_a_day = 24;
  return hours < 2 * hours_a_day
           ? std::to_string(hours) + " hours"
           : std::to_string(hours / hours_a_day) + " days";
}

system_error to_system_error(const store_error& error) {
  return make_system_error(0, error.message);
}

refused not_allowed(const std::string& what) {
  return {refusal::not_allowed, what};
}

refused not_now(const std::string& what) {
  return {refusal::unavailable, what};
}

std::string joined_text(const std::vector<ip_prefix>& prefixes) {
  std::string text;
  for (const auto& each : prefixes)
    text += (text.empty() ? "" : ", ") + to_string(each);
  return text;
}

/// Whether a journal is of the issuer with these keys.
bool is_of(const authority& keys, const issuer& journal) {
  return certificate_contents{journal.root()} == keys.root.contents
         && certificate_contents{journal.self()}
              == keys.issuer.certificate.contents;
}

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

class issuer_service::working {
public:
  working(std::string folder, authority keys, random_source& random)
    : folder_(std::move(folder)), keys_(std::move(keys)), random_(random) {
  }

  /// Reads the journal, or begins one.
  /// Beside the journal's folder: there was one.
  std::string begun_file() const {
    return folder_ + "/journal.begun";
  }
  bool was_begun() const;
  result<void> start(instant now, clock_word clock);

  void ask(asker from, role as, const issuing_question& question, instant now);
  void forget(asker who);
  std::vector<answered> settle(instant now);
  time_point next_deadline() const;

  std::string folder_;
  authority keys_;
  random_source& random_;
  std::optional<journal_file> journal_;
  std::optional<issuer> who_;
  std::vector<news> news_;
  std::optional<system_error> failure_;

private:
  struct waiter {
    asker from = 0;
    std::uint64_t after = 0;
    time_point until{};
  };

  result<void> read();
  accepted<byte_vector> begin(network_time now) const;
  const network_certificate& certificate() const {
    return keys_.issuer.certificate;
  }
  const network_id& network() const {
    return who_->root().network;
  }

  /// The clock's, or the last entry's where that is later: what has ended stays
  /// so when the clock goes back.
  network_time time_at(instant now) const {
    return std::max(seconds_of(now), who_->last());
  }
  /// So far from the last entry that nothing is signed by it.
  bool is_clock_odd(instant now) const;
  std::string describe_clock(instant now) const;
  void tell_clock(instant now);
  /// Why nothing is given out now; empty: it is.
  std::string find_reason_to_wait(instant now) const;
  void sign_due(instant now);
  /// By the item that others have.
  std::chrono::seconds until_next_list(network_time now) const;

  /// Has what was decided count, and be written.
  template <class Answer>
  Answer keep(decision<Answer> made);
  void put(byte_vector key, std::optional<byte_vector> content);
  std::optional<byte_vector> find_item(const byte_vector& key) const;

  template <class Question>
  issuing_answer answer(const Question& question, instant now);
  issuing_answer make_answer(const ask_admission& what, network_time now);
  issuing_answer make_answer(const ask_for_itself& what, network_time now);
  issuing_answer make_answer(const ask_items& what, network_time now);
  issuing_answer make_answer(const ask_invitation& what, network_time now);
  issuing_answer make_answer(const ask_withdrawal& what, network_time now);
  issuing_answer make_answer(const ask_removal& what, network_time now);
  issuing_answer make_answer(const ask_rekeying& what, network_time now);
  issuing_answer
  make_answer(const ask_directory_certificate& what, network_time now);
  issuing_answer make_answer(const ask_tokens& what, network_time now);
  issuing_answer make_answer(const ask_members& what, network_time now);
  issuing_answer make_answer(const ask_state& what, network_time now);
  issuing_answer make_answer(const ask_adoption& what, network_time now);
  issuing_answer make_answer(const ask_backup& what, network_time now);

  issuing_answer renew(const renewal_request& what, network_time now);
  issuing_answer leave(const leave_request& what, network_time now);
  /// The certificate of these terms: a new one, or the one that is known.
  accepted<byte_vector> certify(decision<certificate_terms> made);
  enum class its_token : std::uint8_t { stays, withdrawn };
  std::optional<refused>
  remove(const member_id& id, its_token token, network_time now);
  void sign_list(network_time now);
  void drop_old_epochs();
  void begin_epoch(network_time now, std::uint64_t at_least = 0);
  std::optional<sealed_secret> sealed_for(const verifying_key& key);

  void adopt_lists(network_time now);
  void adopt_certificates(network_time now);

  void tell_end(instant now);
  /// Puts on the disk what was decided, and returns the answers to it, or of
  /// each why it was not.
  std::vector<answered> write();
  std::vector<answered> answer_waiters(instant now);
  void tell(std::string text) {
    news_.push_back({false, std::move(text)});
  }
  void warn(std::string text) {
    news_.push_back({true, std::move(text)});
  }

  journal_batch batch_; ///< decided, and not on the disk
  std::vector<answered> decided_;
  std::vector<news> decided_news_; ///< that is true once it is there
  std::vector<waiter> waiters_;
  std::optional<epoch_secret> secret_; ///< the newest epoch's
  std::vector<network_item> shown_;    ///< by ask_adoption, so far
  time_point list_due_{};
  std::uint64_t epochs_gone_ = 0; ///< up to this one, in this run
  time_point clock_due_{};        ///< when the clock may be told of again
  time_point end_due_{};          ///< when its end may be told of again
};

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

// -- the clock ----------------------------------------------------------------

bool issuer_service::working::is_clock_odd(instant now) const {
  if (journal_->is_recovering())
    return false; // its backup may be old, and root is there
  const auto gap = seconds_of(now) - who_->last();
  return gap > longest_clock_gap || gap < -longest_clock_gap;
}

std::string issuer_service::working::describe_clock(instant now) const {
  const auto gap = seconds_of(now) - who_->last();
  const bool ahead = gap > gap.zero();
  return "this host's clock is " + days_of(ahead ? gap : -gap)
         + (ahead ? " beyond" : " behind")
         + " the journal's last entry: set it or, if it is right, stop the "
           "issuer, run weft-issuer --clock-is-right, and start it again";
}

void issuer_service::working::tell_clock(instant now) {
  const bool odd = is_clock_odd(now);
  const bool behind = seconds_of(now) + noticed_clock_gap < who_->last();
  if ((!odd && !behind) || now.now < clock_due_)
    return;
  clock_due_ = now.now + clock_reminder;
  warn((odd ? "nothing is given out and no list is signed, since "
            : "the journal's time counts, not the clock's: ")
       + describe_clock(now));
}

std::string issuer_service::working::find_reason_to_wait(instant now) const {
  if (journal_->is_recovering())
    return "the issuer's journal was restored from a backup; it gives nothing "
           "out before 'weft network recover' is finished";
  return is_clock_odd(now)
           ? "the issuer gives nothing out, since " + describe_clock(now)
           : std::string{};
}

std::chrono::seconds
issuer_service::working::until_next_list(network_time now) const {
  const auto item = find_item(item_key(item_kind::list, who_->self().name));
  const auto bytes = item ? read_list_item(*item) : std::nullopt;
  const auto list = bytes
                      ? read_revocation_list(bytes->content)
                      : accepted<revocation_list>{tl::unexpected(refused{})};
  if (!list || list->number < who_->list_number() || list->issued > now)
    return {};
  return std::max<std::chrono::seconds>(
    revocation_interval - (now - list->issued), std::chrono::seconds::zero());
}

void issuer_service::working::sign_due(instant now) {
  who_->set_clock(seconds_of(now));
  tell_clock(now);
  if (journal_->is_recovering())
    return;
  if (is_clock_odd(now)) {
    list_due_ = now.now + clock_look;
    return;
  }
  auto key = item_key(item_kind::issuer, who_->self().name);
  const bool is_renewed = find_item(key) != certificate().der;
  if (now.now < list_due_ && !is_renewed)
    return;
  sign_list(time_at(now)); // an entry behind which the certificate is told of
  list_due_ = now.now + revocation_interval;
  if (is_renewed)
    put(std::move(key), certificate().der);
}

template <class Answer>
Answer issuer_service::working::keep(decision<Answer> made) {
  if (made.entry) {
    // What was decided is what the journal allows.
    if (const auto taken = who_->take_over(*made.entry); !taken)
      throw std::logic_error("a decision that is none: " + taken.error().what);
    batch_.entries.push_back(std::move(*made.entry));
  }
  return std::move(made.answer);
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

void issuer_service::working::tell_end(instant now) {
  const auto until = certificate().until;
  if (now.now < end_due_ || seconds_of(now) + end_notice < until)
    return;
  end_due_ = now.now + end_reminder;
  const auto left
    = std::chrono::duration_cast<std::chrono::hours>(until - seconds_of(now));
  constexpr std::chrono::hours::rep hours_a_day = 24;
  warn("the issuer's certificate "
       + (left.count() > 0
            ? "ends in " + std::to_string(left.count() / hours_a_day)
                + " days, and no member's holds longer"
            : std::string{"has ended"})
       + ": run weft-issuer --renew where the root's key is, and restart the "
         "issuer");
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

// -- lists and epochs ---------------------------------------------------------

void issuer_service::working::sign_list(network_time now) {
  const auto list = keep(who_->list(now));
  put(item_key(item_kind::list, list.issuer),
      write_list_item(sign_bytes(keys_.issuer.seed, encode(list))));
  drop_old_epochs();
}

void issuer_service::working::drop_old_epochs() {
  std::size_t gone = 0;
  for (const auto epoch : who_->old_epochs(epochs_gone_)) {
    if (gone == most_epochs_gone)
      return;
    epochs_gone_ = epoch;
    auto key = epoch_key(epoch);
    if (!find_item(key))
      continue;
    put(std::move(key), std::nullopt);
    ++gone;
  }
}

void issuer_service::working::begin_epoch(network_time now,
                                          std::uint64_t at_least) {
  epoch_secret next;
  next.epoch = keep(who_->begin_epoch(now, at_least));
  random_.fill(next.secret.bytes());
  // The first one comes to everybody by its token.
  if (secret_)
    put(epoch_key(next.epoch),
        seal_under(*secret_, next, network(), random_).box);
  batch_.secret = next;
  secret_ = std::move(next);
}

issuing_answer
issuer_service::working::make_answer(const ask_rekeying&, network_time now) {
  begin_epoch(now);
  return issuing_done{};
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

// -- recovery -----------------------------------------------------------------

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
