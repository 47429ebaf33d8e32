// What the core of a directory wants done, and what came of it: frames, the
// store, the issuer.
#include "actors/network/configured_store.hpp"
#include "actors/network/directory_node.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// The store's history is kept for one to two of these: more than a watch that
/// was cut off needs to go on where it was.
constexpr std::chrono::hours compaction_interval{1};

/// Between two lines about a member that is refused for good, and of how many
/// members that is known.
constexpr std::chrono::hours tell_again{1};
constexpr std::size_t most_told_ends = 4'096;

/// Behind the address of a directory whose issuer answers, as it tells others.
constexpr auto beside_issuer = " issuer";

/// An issuer may be away for so long before the log says so.
constexpr std::chrono::seconds issuer_start{5};

} // namespace

void directory_node::note(std::string& trouble, const std::string& now,
                          const std::string& of_what) {
  if (trouble == now)
    return;
  trouble = now;
  if (now.empty())
    options_.log->info("directory: {} work again", of_what);
  else
    options_.log->error("directory: {} fail until this is put right: {}",
                        of_what, now);
}

// -- the core's steps --------------------------------------------------------

void directory_node::carry_out() {
  for (auto steps = core_.take_steps(); !steps.empty();
       steps = core_.take_steps()) {
    for (auto& step : steps)
      std::visit([this](auto& each) { carry_out(each); }, step);
  }
  if (const auto next = core_.next_time(); next != time_point::max())
    alarm_.set(next);
}

void directory_node::carry_out(directory::list_entries& step) {
  if (!opens_anew_)
    store_->list(std::move(step.range));
}

void directory_node::carry_out(directory::watch_entries& step) {
  if (!opens_anew_)
    watch_ = store_->watch(step.from);
}

void directory_node::carry_out(directory::change_entries& step) {
  if (!opens_anew_)
    store_->change(std::move(step.change));
}

void directory_node::carry_out(directory::renew_store_id&) {
  store_->renew_id();
}

void directory_node::carry_out(directory::keep_presence&) {
  const auto where = to_string(tcp_ ? tcp_->where() : *options_.config.listen);
  const bool has_issuer = issuer_ && trouble_.issuer.empty();
  store_->attend(where + (has_issuer ? beside_issuer : ""));
}

void directory_node::carry_out(directory::ask_for_items& step) {
  if (issuer_)
    issuer_->ask_for_items(step.after);
}

void directory_node::carry_out(directory::ask_for_member& step) {
  if (!issuer_) {
    answer_member(step.number,
                  refuse(refusal::unavailable,
                         "this directory has no issuer: ask another one"));
    return;
  }
  issuer_->ask(ask_for_itself{std::move(step.request)},
               [this,
                number = step.number](const accepted<issuing_answer>& answer) {
                 answer_member(number, answer);
                 carry_out();
               });
}

void directory_node::carry_out(directory::send_frame& step) {
  const auto found = connections_.find(step.to);
  if (found == connections_.end() || found->second.leaving)
    return;
  auto& stream = *found->second.stream;
  stream.send(std::move(step.frame));
  if (stream.queued_bytes() > options_.limits.queued_bytes) {
    options_.log->warn("directory: {} takes less than it gets, and is cut off",
                       found->second.name);
    forget(found);
    return;
  }
  expect(loop().now() + options_.limits.stuck);
}

void directory_node::carry_out(directory::end_connection& step) {
  const auto found = connections_.find(step.which);
  if (found == connections_.end() || found->second.leaving)
    return;
  if (is_news(found->second.member, step.why.why)
      && refusals_.allows(loop().now()))
    options_.log->info("directory: the connection of {} at {} ends: {}",
                       found->second.name, to_string(found->second.from),
                       step.why.what);
  let_go(found->second);
}

/// A member that is refused for good asks again for ever: one line an hour.
bool directory_node::is_news(const member_id& member, refusal why) {
  if (why != refusal::revoked && why != refusal::expired
      && why != refusal::used_twice)
    return true;
  const auto now = loop().now();
  if (told_ends_.size() >= most_told_ends)
    std::erase_if(told_ends_, [&](const auto& each) {
      return each.second + tell_again <= now;
    });
  const auto told = told_ends_.find(member);
  if (told != told_ends_.end() && now < told->second + tell_again)
    return false;
  if (told != told_ends_.end() || told_ends_.size() < most_told_ends)
    told_ends_[member] = now;
  return true;
}

void directory_node::carry_out(directory::began_recovering& step) {
  options_.log->critical(
    "directory: {}: nothing new is given out until `weft network recover` is "
    "said",
    step.why);
}

void directory_node::carry_out(directory::found_twice& step) {
  options_.log->warn(
    "directory: the files of {0} are on two machines, which end each other's "
    "connections: on one of them `weft network leave --force`, then `weft "
    "network join` with a token",
    step.name);
}

// -- the store ---------------------------------------------------------------

void directory_node::start_store() {
  const auto& identity = read_->identity;
  store_ = std::make_unique<store_worker>(
    configured_store(options_.config.store, identity.network().network,
                     identity.name(), options_.sources),
    // It holds the actor until on_exit(): else the last to let go of it could
    // be a thread that its end waits for.
    [self = directory_node_actor{this}](store_report report) {
      caf::anon_send(self, std::move(report));
    },
    options_.sources);
}

void directory_node::take_report(store_report& report) {
  std::visit([this](auto& each) { take(each); }, report);
  carry_out();
  answer_recoveries();
}

template <class Result>
void directory_node::note_store(const Result& result) {
  note(trouble_.store, result ? std::string{} : result.error().message,
       "calls of the store");
  if (!result)
    open_if_lost(result.error());
}

/// What is open is not the store any more that it was: one that was restored
/// from a backup, or is written to in this directory's name.
void directory_node::open_if_lost(const store_error& why) {
  const bool is_lost = why.failure == store_failure::damaged
                       || why.failure == store_failure::superseded;
  if (!is_lost || std::exchange(opens_anew_, true))
    return;
  options_.log->warn("directory: its store is opened anew: {}", why.message);
  store_->open_anew();
}

void directory_node::compact_store(time_point now) {
  if (compacts_at_ && now < *compacts_at_)
    return;
  compacts_at_ = now + compaction_interval;
  const auto look = core_.look();
  if (const auto before = std::exchange(to_compact_, look.revision);
      before > 0 && look.loaded && !opens_anew_)
    store_->compact(before);
}

void directory_node::take(const store_compacted& report) {
  if (!report.outcome)
    options_.log->warn("directory: the history of its store was not cut off, "
                       "and is tried again in an hour: {}",
                       report.outcome.error().message);
}

void directory_node::take(const store_opened& report) {
  note(trouble_.store, {}, "calls of the store");
  opens_anew_ = false;
  to_compact_ = 0; // of another history, perhaps
  core_.opened(report.id, loop().moment());
}

void directory_node::take(const store_missing& report) {
  note(trouble_.store, report.why.message, "calls of the store");
  core_.reached(false, loop().moment());
}

void directory_node::take(const store_listed& report) {
  note_store(report.page);
  core_.listed(report.page, loop().moment());
  raise_floor();
}

void directory_node::take(const store_changed& report) {
  note_store(report.outcome);
  core_.changed(report.outcome, loop().moment());
}

void directory_node::take(const store_renamed& report) {
  note_store(report.id);
  core_.renamed(report.id, loop().moment());
}

void directory_node::take(const store_told& report) {
  if (report.watch != watch_) // the one before
    return;
  if (!report.news)
    open_if_lost(report.news.error());
  core_.told(report.news, loop().moment());
}

void directory_node::take(store_attended& report) {
  note_store(report.directories);
  // What is full or refuses writes is heard of all the same.
  core_.reached(report.directories
                  || report.directories.error().failure
                       != store_failure::unavailable,
                loop().moment());
  if (!report.directories)
    return;
  directories_ = std::move(*report.directories);
  const bool has_issuer = std::any_of(
    directories_.begin(), directories_.end(), [this](const auto& each) {
      return each.name != read_->identity.name()
             && each.value.ends_with(beside_issuer);
    });
  core_.issuer_elsewhere(has_issuer, loop().moment());
}

void directory_node::take(const store_backed_up& report) {
  auto reply = backups_.extract(report.number);
  if (!reply)
    return;
  if (report.outcome)
    reply.mapped()(steering_done{});
  else
    reply.mapped()(steering_failed{report.outcome.error().message});
}

// -- the issuer --------------------------------------------------------------

void directory_node::start_issuer() {
  if (options_.config.issuer.empty())
    return;
  issuer_link::listener told;
  told.enters = [this] { enter_loop_context(); };
  told.failed = [this] { fail(); };
  told.there = [this](bool there, const std::string& why) {
    issuer_changed(there, why);
  };
  told.items = [this](const accepted<issued_items>& answer) {
    core_.issued(answer, loop().moment());
    carry_out();
  };
  issuer_ = std::make_unique<issuer_link>(loop(), options_.config.issuer,
                                          options_.limits.issuer_patience,
                                          std::move(told));
}

/// The log hears of what lasts: an issuer that starts together with this
/// directory is no fault.
void directory_node::issuer_changed(bool there, const std::string& why) {
  trouble_.issuer = why;
  if (why.empty()) {
    says_issuer_at_.reset();
    note(issuer_said_, {}, "questions to the issuer");
  } else if (!says_issuer_at_ && issuer_said_.empty()) {
    says_issuer_at_ = loop().now() + issuer_start;
    alarm_.set(*says_issuer_at_);
  }
  core_.issuer_there(there, loop().moment());
  carry_out();
}

void directory_node::answer_member(directory::ticket number,
                                   const accepted<issuing_answer>& answer) {
  accepted<certified_answer> told
    = refuse(refusal::unavailable, "the issuer answers what it was not asked");
  if (!answer)
    told = tl::unexpected(answer.error());
  else if (const auto* certified = std::get_if<certified_answer>(&*answer))
    told = *certified;
  else if (std::holds_alternative<issuing_done>(*answer))
    told = certified_answer{};
  core_.answered(number, told, loop().moment());
}

} // namespace weft
