// What an issuer_service is made of.  Private to tools/issuer/.
//
//   issuer_service.cpp   the journal, and questions in their order
//   issuer_answers.cpp   what each question is answered with
//   issuer_lists.cpp     the clock, what is signed by it, and epochs
//   issuer_recovery.cpp  after a backup was put back
#pragma once

#include "platform/store/journal_file.hpp"
#include "protocol/network/issuer.hpp"
#include "tools/issuer/issuer_service.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {

/// Removed members in a list, which directories' stores have to take.
inline constexpr std::size_t most_listed
  = (largest_store_value - most_certificate_bytes) / member_id::size;

/// What can be written, and has room before and behind it for a certificate's
/// times, whatever the clock says.
inline network_time seconds_of(const instant& now) {
  return std::clamp<network_time>(
    std::chrono::floor<std::chrono::seconds>(now.wall),
    network_time{certificate_lifetime}, latest_network_time - root_lifetime);
}

inline system_error to_system_error(const store_error& error) {
  return make_system_error(0, error.message);
}

inline refused not_allowed(const std::string& what) {
  return {refusal::not_allowed, what};
}

inline refused not_now(const std::string& what) {
  return {refusal::unavailable, what};
}

/// Whether a journal is of the issuer with these keys.
bool is_of(const authority& keys, const issuer& journal);

class issuer_service::working {
public:
  working(std::string folder, authority keys, random_source& random)
    : folder_(std::move(folder)), keys_(std::move(keys)), random_(random) {
  }

  /// Reads the journal, or begins one.
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

  /// Beside the journal's folder: there was one.
  std::string begun_file() const {
    return folder_ + "/journal.begun";
  }
  bool was_begun() const;
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

} // namespace weft
