// Its talk with directories, which member_session steers.
#include "actors/network/membership.hpp"
#include "platform/resolve.hpp"

#include <system_error>

namespace weft {

namespace {

/// Of one directory; each gets a share of the attempt's time.
constexpr std::size_t most_addresses = 4;

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
}

void membership::carry_out(member_session::directory_found& step) {
  directory_ = to_string(step.where);
  missed_.clear();
  recovering_ = step.recovering;
  since_ = loop().wall();
  published_.reset();
  options_.log->info("network: connected to the directory {}", directory_);
  tell(event_kind::directory_connected, {}, {}, directory_);
  if (!step.last_record.empty())
    take({{item_key(item_kind::record, identity_.contents().id),
           step.last_record}});
  describe();
  tell_status_soon();
}

void membership::carry_out(member_session::up_to_date&) {
  knowledge_.count_waiting();
  options_.log->debug("network: all that the directory has is here");
  tell_status_soon();
}

void membership::carry_out(member_session::directory_lost& step) {
  missed_ = to_string(step.where) + ": " + step.why;
  directory_.clear();
  recovering_ = false;
  since_ = loop().wall();
  options_.log->warn("network: the directory is lost: {}; tunnels go on "
                     "without",
                     missed_);
  tell(event_kind::directory_lost, {}, {}, missed_);
  tell_status_soon();
}

void membership::carry_out(member_session::directory_missed& step) {
  auto why = to_string(step.where) + ": " + step.why;
  if (why != missed_)
    options_.log->warn("network: no connection to the directory {}", why);
  missed_ = std::move(why);
  tell_status_soon();
}

void membership::carry_out(member_session::own_endpoint_seen& step) {
  if (places_.seen == step.where)
    return;
  places_.seen = step.where;
  describe();
}

void membership::carry_out(member_session::request_answered& step) {
  if (renewal_ == step.number)
    renewed(step.result);
  else if (leaving_ == step.number)
    left(step.result);
}

void membership::carry_out(member_session::record_refused& step) {
  options_.log->warn("network: the directory does not take what this node says "
                     "of itself: {}",
                     step.why.what);
  if (step.why.why != refusal::stale)
    return;
  make_anew_ = true;
  describe();
}

// -- what it tells -----------------------------------------------------------

void membership::take(const std::vector<network_item>& items) {
  const auto news = knowledge_.take(
    items,
    [this](const byte_vector& key) { return session_->told().find(key); },
    now());
  lists_dirty_ = lists_dirty_ || news.lists;
  rekey_ = rekey_ || news.epoch;
  if (news.own_side)
    session_->set_held(knowledge_.held(), loop().now());
  if (news.peers || news.epoch)
    changed(news.peers, news.peers, news.epoch);
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
