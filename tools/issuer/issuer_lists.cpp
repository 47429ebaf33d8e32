#include "tools/issuer/issuer_work.hpp"

#include <algorithm>

namespace weft {

namespace {

/// When the end of the issuer's certificate is told of, and how often.
constexpr std::chrono::hours end_notice{24 * 60};
constexpr std::chrono::hours end_reminder{24};
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

} // namespace

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

} // namespace weft
