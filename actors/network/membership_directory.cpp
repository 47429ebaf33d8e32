// Its talk with directories, which member_session steers.
#include "actors/network/membership.hpp"
#include "platform/resolve.hpp"
#include "protocol/network/time_text.hpp"

#include <system_error>
#include <utility>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// Of one directory; each gets a share of the attempt's time.
constexpr std::size_t most_addresses = 4;
/// A connection that ends sooner is told of no more after the first time, or a
/// directory could fill the log by coming and going.
constexpr auto brief = 10s;
/// So many records of this member by another process within that time are no
/// accident.
constexpr std::size_t most_others_records = 3;
constexpr auto others_records_window = 10min;
/// Between two changes of directories for what one does not tell.
constexpr auto change_interval = 5min;
/// A directory gets so long to have a list of the last day; the issuer may be
/// away as well, and then no other one has it.
constexpr auto list_patience = 1h;

} // namespace

// -- steps -------------------------------------------------------------------

/// Steps may leave other steps.
void membership::run_session() {
  if (!session_ || std::exchange(running_session_, true))
    return;
  for (auto steps = session_->take_steps(); !steps.empty();
       steps = session_->take_steps())
    for (auto& each : steps)
      std::visit([this](auto& step) { carry_out(step); }, each);
  running_session_ = false;
  follow_time();
}

void membership::follow_time() {
  call_off(session_time_);
  const auto next = std::min(session_->next_time(), link_.next_check());
  if (next == time_point::max())
    return;
  session_time_ = call_at(next, [this] {
    session_time_ = {};
    link_.check(loop().now());
    session_->on_time(loop().now());
    run_session();
  });
}

void membership::carry_out(member_session::dial_directory& step) {
  attempt_ = step.number;
  if (const auto address = parse_ip_address(step.where.host)) {
    dial(step.number, std::vector{endpoint{*address, step.where.port, 0}});
    return;
  }
  try {
    threads_.run(
      "weft-resolve", caf::actor_cast<member_actor>(this),
      [number = step.number, where = step.where] {
        return directory_resolved{number, resolve_host(where.host, where.port)};
      });
  } catch (const std::system_error& error) {
    session_->lost(step.number, error.what(), loop().now());
  }
}

void membership::dial(member_session::attempt number,
                      result<std::vector<endpoint>> to) {
  if (!session_ || number != attempt_)
    return; // it was given up
  if (!to) {
    session_->lost(number, to.error().message, loop().now());
  } else {
    if (to->size() > most_addresses)
      to->resize(most_addresses);
    link_.dial(tls_, std::move(*to), loop().now() + options_.limits.attempt);
  }
  run_session();
}

std::optional<std::string>
membership::meet(std::span<const byte_vector> chain, std::size_t addresses) {
  // It has been judged.
  const auto who = read_network_certificate(chain.front());
  return session_->meet(attempt_, who ? who->key : verifying_key{}, addresses);
}

void membership::carry_out(member_session::send_frame& step) {
  link_.send(std::move(step.frame));
}

void membership::carry_out(member_session::hang_up& step) {
  options_.log->debug("network: the connection is ended: {}", step.why);
  if (step.number == attempt_)
    link_.close();
}

void membership::carry_out(member_session::take_items& step) {
  // What is gone there is withheld, which ends nothing: certificates end by
  // themselves, and by lists.
  take(step.items);
  knowledge_.forget(step.gone);
}

void membership::carry_out(member_session::directory_found& step) {
  directory_ = to_string(step.where);
  missed_.clear();
  told_missed_.clear();
  refused_as_.reset();
  recovering_ = step.recovering;
  cut_off_ = step.cut_off;
  since_ = loop().wall();
  published_.reset();
  found_at_ = loop().now();
  told_connected_ = false;
  if (!was_brief_)
    tell_of_connection();
  else
    call_at(found_at_ + brief, [this, number = attempt_] {
      if (number == attempt_ && !directory_.empty() && !told_connected_)
        tell_of_connection();
    });
  if (!step.last_record.empty())
    take({{item_key(item_kind::record, identity_.contents().id),
           step.last_record}});
  describe();
  tell_status_soon();
}

void membership::tell_of_connection() {
  told_connected_ = true;
  options_.log->info("network: connected to the directory {}", directory_);
  tell(event_kind::directory_connected, {}, {}, directory_);
}

void membership::carry_out(member_session::up_to_date&) {
  knowledge_.count_waiting();
  options_.log->debug("network: all that the directory has is here");
  look_at_secret();
  tell_status_soon();
}

void membership::carry_out(member_session::directory_lost& step) {
  missed_ = to_string(step.where) + ": " + step.why;
  note_refusal(step.refused_as);
  directory_.clear();
  recovering_ = false;
  cut_off_ = false;
  since_ = loop().wall();
  was_brief_ = loop().now() < found_at_ + brief;
  // It may have had too much to tell, of which nothing is known any more.
  knowledge_.forget_untold(told());
  if (told_connected_) {
    options_.log->warn("network: the directory is lost: {}; tunnels go on "
                       "without",
                       missed_);
    tell(event_kind::directory_lost, {}, {}, missed_);
  }
  tell_status_soon();
}

void membership::carry_out(member_session::cut_off_changed& step) {
  cut_off_ = step.is_so;
  tell_status_soon();
}

void membership::carry_out(member_session::directory_missed& step) {
  missed_ = to_string(step.where) + ": " + step.why;
  note_refusal(step.refused_as);
  auto& told = told_missed_[step.where];
  if (told != step.why)
    options_.log->warn("network: no connection to the directory {}", missed_);
  told = step.why;
  tell_status_soon();
}

void membership::note_refusal(std::optional<refusal> why) {
  if (why)
    refused_as_ = why;
  if (why == refusal::used_twice)
    note_double();
}

void membership::carry_out(member_session::own_endpoint_seen& step) {
  if (places_.seen == step.where)
    return;
  places_.seen = step.where;
  describe();
}

void membership::carry_out(member_session::request_answered& step) {
  if (renewal_ == step.number) {
    take_secret(step.secret);
    renewed(step.result);
  }
  if (fetch_ == step.number) {
    take_secret(step.secret);
    fetched(step.result);
  }
  if (leaving_ == step.number)
    left(step.result);
}

/// For who was away while more epochs began than one can follow: the newest
/// one, sealed for this node's own key.
void membership::take_secret(const std::optional<sealed_secret>& sealed) {
  if (!sealed || sealed->epoch <= knowledge_.epochs().newest())
    return;
  auto opened = open_with_token(identity_.seed, *sealed, identity_.network());
  if (!opened) {
    options_.log->warn("network: the preshared secret that came with the "
                       "renewal is not for this node's key");
    return;
  }
  follow(knowledge_.add_epoch(std::move(*opened), told(), now()));
}

void membership::carry_out(member_session::record_refused& step) {
  auto& last = record_refusals_[step.why.why];
  if (last == time_point{} || last + 1h <= loop().now()) {
    last = loop().now();
    options_.log->warn("network: the directory does not take what this node "
                       "says of itself: {}",
                       step.why.what);
  }
  if (step.why.why != refusal::stale)
    return;
  make_anew_ = true;
  describe();
}

/// One may withhold what another one tells.  False: this one stays for now.
bool membership::change_directory(const std::string& why) {
  if (directory_.empty() || loop().now() < next_change_
      || !session_->change_directory(why + ", so another one is asked",
                                     loop().now()))
    return false;
  next_change_ = loop().now() + change_interval;
  run_session();
  return true;
}

/// The issuer signs one in an hour.
void membership::look_at_list() {
  const auto& view = knowledge_.view();
  const auto issued = view.list_issued(
    std::get<issuer_contents>(identity_.issuer.contents).name);
  const bool is_old = issued && view.now() - *issued > old_revocation_age;
  if (is_old && told_of_list_ != issued) {
    told_of_list_ = issued;
    tell(event_kind::removals_outdated, {}, {},
         "the list of removed members is of " + format_time(*issued)
           + ": does the issuer run, and is a directory reached?");
  }
  if (found_at_ + list_patience <= loop().now() && (!issued || is_old))
    change_directory("it has no list of removed members of the last day");
}

// -- what it tells -----------------------------------------------------------

void membership::take(const std::vector<network_item>& items) {
  follow(knowledge_.take(items, told(), now()));
  look_for_double();
}

/// Records of this member that this process has not signed.  One comes after
/// the state was lost; one after the other only if another process signs them.
void membership::look_for_double() {
  const auto* self = knowledge_.view().self();
  if (signed_record_.empty() || self == nullptr || !self->record
      || self->record->bytes() == signed_record_)
    return;
  signed_record_.clear(); // until it signs the next one
  const auto now = loop().now();
  others_records_.push_back(now);
  if (others_records_.size() < most_others_records)
    return;
  if (now < others_records_.front() + others_records_window)
    note_double();
  others_records_.pop_front();
}

void membership::note_double() {
  const auto last = std::exchange(double_at_, loop().now());
  if (last && loop().now() < *last + double_memory)
    return;
  options_.log->warn("network: {}", used_twice);
  tell_status_soon();
}

member_knowledge::lookup membership::told() const {
  return [this](const byte_vector& key) { return session_->told().find(key); };
}

void membership::follow(const member_knowledge::news& news) {
  lists_dirty_ = lists_dirty_ || news.lists;
  rekey_ = rekey_ || news.epoch;
  if (news.own_side) {
    session_->set_held(knowledge_.held(), loop().now());
    keep_marks();
  }
  if (news.epoch)
    keep_secrets();
  if (news.peers)
    keep_items(news.certificates ? options_.limits.write
                                 : options_.limits.write_records);
  if (news.epoch)
    describe(); // its record names the newest one
  if (news.peers || news.epoch)
    update_soon();
}

/// Whoever is at the other end must be a directory of this network.
std::optional<refused>
membership::judge(network_purpose, std::span<const byte_vector> chain) const {
  // Some show the root as well, for those who join.
  if (!chain.empty() && chain.back() == identity_.root.der)
    chain = chain.first(chain.size() - 1);
  const auto other = verify_chain(identity_.root, chain, now());
  if (!other)
    return other.error();
  if (!std::holds_alternative<directory_contents>(other->contents))
    return refused{refusal::wrong_role,
                   "it is no directory, but a "
                     + std::string{role_of(other->contents)}};
  return std::nullopt;
}

} // namespace weft
