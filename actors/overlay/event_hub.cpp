#include "actors/overlay/event_hub.hpp"

#include "actors/loop/detail_log.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace {

spdlog::level::level_enum level_of(event_kind kind) {
  switch (kind) {
    case event_kind::peer_troubled:
    case event_kind::certificate_expires:
    case event_kind::removals_outdated:
      return spdlog::level::warn;
    case event_kind::peer_up:
    case event_kind::peer_down:
    case event_kind::directory_connected:
    case event_kind::directory_lost:
      return spdlog::level::info;
    default:
      return spdlog::level::debug;
  }
}

} // namespace

event_hub::event_hub(caf::actor_config& config, io_loop_ptr loop,
                     std::string interface, std::shared_ptr<spdlog::logger> log)
  : hosted(config, std::move(loop)), interface_(std::move(interface)),
    log_(std::move(log)) {
  set_down_handler([this](const caf::down_msg& down) { remove(down.source); });
}

event_hub::behavior_type event_hub::make_behavior() {
  return {
    [this](const overlay_event& event) { happened(event); },
    [this](const subscribe& request) { return add(request.subscriber); },
    [this](const unsubscribe& request) -> caf::result<void> {
      if (request.subscriber)
        remove(request.subscriber.address());
      return caf::unit;
    },
    [this](const report_request&) { return report(); },
  };
}

void event_hub::on_exit() {
  for (auto& [address, one] : subscriptions_)
    demonitor(address);
  subscriptions_.clear();
  peers_.clear();
}

// -- subscribers -------------------------------------------------------------

caf::result<void> event_hub::add(const event_subscriber& subscriber) {
  if (!subscriber)
    return make_error(EINVAL, "subscriber: it is no actor", "subscriber");
  if (subscriptions_.contains(subscriber.address()))
    return caf::unit;
  if (subscriptions_.size() == max_subscribers)
    return make_error(EUSERS,
                      "too many subscribers: " + std::to_string(max_subscribers)
                        + " have one each; end some",
                      "subscriber");
  monitor(subscriber);
  auto& added = subscriptions_[subscriber.address()];
  added.subscriber = subscriber;
  added.number = ++last_number_;
  return caf::unit;
}

void event_hub::remove(const caf::actor_addr& subscriber) {
  const auto found = subscriptions_.find(subscriber);
  if (found == subscriptions_.end())
    return;
  waiting_in_all_ -= found->second.waiting.size();
  call_off(found->second.overdue);
  subscriptions_.erase(found);
  demonitor(subscriber);
}

bool event_hub::may_tell(const overlay_event& event) {
  if (event.kind != event_kind::peer_troubled)
    return true;
  if (!trouble_lines_.take(loop().now())) {
    ++untold_troubles_;
    return false;
  }
  if (const auto untold = std::exchange(untold_troubles_, 0); untold > 0)
    log_->warn("{} more troubles of peers: `weft peers` shows them", untold);
  return true;
}

/// What is about a peer; the rest is logged where it happens.
void event_hub::log(const overlay_event& event) {
  if (event.peer == public_key{})
    return;
  const auto level = level_of(event.kind);
  if (!log_->should_log(level) || !may_tell(event))
    return;
  const auto name = event.peer_name.empty() ? shortened(to_string(event.peer))
                                            : event.peer_name;
  auto text = std::string{to_string(event.kind)} + ": " + name;
  if (event.endpoint)
    text += " at " + to_string(*event.endpoint);
  if (!event.reason.empty())
    text += ": " + event.reason;
  log_->log(level, "{}", text);
}

void event_hub::publish(const overlay_event& event) {
  log(event);
  if (subscriptions_.empty())
    return;
  std::vector<caf::actor_addr> too_slow;
  const auto shared = std::make_shared<const overlay_event>(event);
  for (auto& [address, one] : subscriptions_) {
    if (one.waiting.size() == max_waiting) {
      too_slow.push_back(address);
      continue;
    }
    one.waiting.push_back(shared);
    ++waiting_in_all_;
    send_batch(one);
  }
  if (waiting_in_all_ > max_waiting_in_all && too_slow.empty())
    too_slow.push_back(std::max_element(subscriptions_.begin(),
                                        subscriptions_.end(),
                                        [](const auto& a, const auto& b) {
                                          return a.second.waiting.size()
                                                 < b.second.waiting.size();
                                        })
                         ->first);
  for (const auto& address : too_slow)
    give_up(address,
            "it is " + std::to_string(subscriptions_[address].waiting.size())
              + " events behind: subscribe again, and read the status for what "
                "was missed");
}

void event_hub::send_batch(subscription& to) {
  if (to.busy || to.waiting.empty())
    return;
  constexpr std::size_t a_few = 16;
  const auto share = std::max(max_unanswered / subscriptions_.size(), a_few);
  const auto count = std::min({to.waiting.size(), max_batch, share});
  event_batch batch;
  batch.first = to.passed;
  batch.events.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    batch.events.push_back(*to.waiting.front());
    to.waiting.pop_front();
  }
  waiting_in_all_ -= count;
  to.passed += count;
  to.busy = true;
  const auto address = to.subscriber.address();
  const auto number = to.number;
  to.overdue = call_at(loop().now() + patience,
                       [=, this] { answered(address, number, false); });
  request(to.subscriber, caf::infinite, std::move(batch))
    .then([=, this] { answered(address, number, true); },
          [=, this](const caf::error&) { answered(address, number, false); });
}

void event_hub::answered(const caf::actor_addr& subscriber,
                         std::uint64_t number, bool well) {
  const auto found = subscriptions_.find(subscriber);
  if (found == subscriptions_.end() || found->second.number != number)
    return; // of a subscription that has ended
  found->second.busy = false;
  call_off(found->second.overdue);
  if (well)
    send_batch(found->second);
  else
    give_up(subscriber,
            "it did not answer for " + std::to_string(patience.count()) + " s");
}

void event_hub::give_up(const caf::actor_addr& subscriber,
                        const std::string& why) {
  const auto found = subscriptions_.find(subscriber);
  if (found == subscriptions_.end())
    return;
  lost_ += found->second.waiting.size();
  ++counts_.at(static_cast<std::size_t>(event_kind::events_lost));
  overlay_event notice;
  notice.kind = event_kind::events_lost;
  notice.when = loop().wall();
  notice.interface = interface_;
  notice.reason = "the subscription ends: " + why;
  send(found->second.subscriber,
       event_batch{found->second.passed + found->second.waiting.size(),
                   {std::move(notice)}});
  remove(subscriber);
}

// -- peers -------------------------------------------------------------------

bool event_hub::comes_too_late(const overlay_event& event) const {
  switch (event.kind) {
    case event_kind::peer_up:
    case event_kind::peer_down:
    case event_kind::endpoint_changed:
    case event_kind::handshake_completed:
    case event_kind::handshake_failed:
    case event_kind::peer_state_changed:
    case event_kind::peer_troubled:
      return !peers_.contains(event.peer);
    default:
      return false;
  }
}

void event_hub::happened(const overlay_event& what) {
  if (comes_too_late(what))
    return;
  if (what.kind == event_kind::peer_added)
    peers_.insert(what.peer);
  auto event = what;
  event.interface = interface_;
  if (event.when == wall_time{})
    event.when = loop().wall();
  ++counts_.at(static_cast<std::size_t>(event.kind));
  publish(event);
  if (event.kind == event_kind::peer_removed)
    peers_.erase(event.peer);
}

event_report event_hub::report() const {
  event_report made;
  made.lost = lost_;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    made.counts.push_back(
      {std::string{to_string(static_cast<event_kind>(i))}, counts_.at(i)});
  return made;
}

} // namespace weft
