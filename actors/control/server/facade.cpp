#include "actors/control/server/facade.hpp"

#include "actors/loop/detail_log.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace {

/// CAF's own failures in words.
caf::error explain(caf::error& reason) {
  if (reason == caf::sec::request_timeout)
    return make_error(ETIMEDOUT, "The overlay did not answer in time: see the "
                                 "daemon's log");
  if (reason == caf::sec::request_receiver_down)
    return make_error(ENODEV, "The overlay has ended: see the daemon's log");
  return std::move(reason);
}

/// As in a line of the log: the beginning of its key.
std::string peer_text(const public_key& key) {
  return ' ' + shortened(to_string(key));
}

/// Which peer a request is about; empty: none.
template <class Request>
std::string subject_of(const Request& asked) {
  if constexpr (std::is_same_v<Request, add_peer>)
    return peer_text(asked.peer.public_key);
  else if constexpr (std::is_same_v<Request, update_peer>)
    return peer_text(asked.update.public_key);
  else if constexpr (requires { asked.peer; })
    return peer_text(asked.peer);
  else
    return {};
}

/// Whether an operator only looks, as programs do again and again.
template <class Request>
bool only_looks(const Request& asked) {
  if constexpr (std::is_same_v<
                  Request,
                  get_configuration> || std::is_same_v<Request, expect_file>)
    return true;
  else if constexpr (requires { asked.dry_run; })
    return asked.dry_run;
  else
    return false;
}

} // namespace

caf::error role_refusal(const std::string& who, control_role role,
                        const request_traits& request) {
  return make_error(EPERM, "As " + std::string{to_string(role)} + " (" + who
                             + "): " + std::string{request.name()}
                             + " needs the role "
                             + std::string{to_string(request.needed)});
}

// -- the relay ---------------------------------------------------------------

event_relay::event_relay(caf::actor_config& config, event_subscriber remote,
                         std::shared_ptr<std::atomic<bool>> over)
  : own_scheduler(config), remote_(std::move(remote)), over_(std::move(over)) {
}

event_relay::behavior_type event_relay::make_behavior() {
  set_down_handler([this](caf::down_msg&) { quit(); });
  monitor(remote_);
  return {
    [this](event_batch& batch) { return pass_on(batch); },
  };
}

void event_relay::on_exit() {
  unanswered_.deliver(make_error(ECONNRESET, "The subscriber is gone"));
  remote_ = nullptr;
}

caf::result<void> event_relay::pass_on(event_batch& batch) {
  const auto is_last = std::any_of(
    batch.events.begin(), batch.events.end(), [](const overlay_event& event) {
      return event.kind == event_kind::events_lost;
    });
  if (is_last)
    *over_ = true;
  auto promise = make_response_promise();
  unanswered_ = promise;
  request(remote_, caf::infinite, std::move(batch))
    .then(
      [this, promise, is_last]() mutable {
        unanswered_ = {}; // a copy, which would answer once more
        promise.deliver(caf::unit);
        if (is_last)
          quit();
      },
      [this, promise](caf::error& reason) mutable {
        unanswered_ = {};
        promise.deliver(std::move(reason));
        quit();
      });
  return promise;
}

// -- the facade --------------------------------------------------------------

facade::facade(caf::actor_config& config, overlay_actor overlay,
               control_caller who, std::shared_ptr<facade_commons> commons)
  : own_scheduler(config), overlay_(std::move(overlay)), who_(std::move(who)),
    commons_(std::move(commons)) {
  if (!who_.account)
    who_.account = std::make_shared<client_account>(who_.role);
}

caf::error facade::refuse(const request_traits& request) {
  auto refusal = role_refusal(who_.name, who_.role, request);
  if (who_.account->lines.allows(commons_->clock->now()))
    commons_->log->warn("control: {} at {} may not: {}", who_.name,
                        who_.address, error_message(refusal));
  return refusal;
}

template <class R, class T>
caf::result<R> facade::pass_on(T message) {
  auto promise = make_response_promise();
  auto failed = [promise](caf::error& reason) mutable {
    promise.deliver(explain(reason));
  };
  auto asked = request(overlay_, patience, std::move(message));
  if constexpr (std::is_void_v<R>)
    asked.then([promise]() mutable { promise.deliver(caf::unit); }, failed);
  else
    asked.then(
      [promise](R& answer) mutable { promise.deliver(std::move(answer)); },
      failed);
  return caf::delegated<R>{};
}

template <class Row>
auto facade::handler(const Row& row) {
  using request_type = typename Row::request;
  using answer = typename Row::answer;
  return [this, &row](request_type& message) -> caf::result<answer> {
    if (row.needed != control_role::view) {
      if (who_.role != row.needed)
        return refuse(row);
      if (who_.account->lines.allows(commons_->clock->now()))
        commons_->log->log(only_looks(message) ? spdlog::level::debug
                                               : spdlog::level::info,
                           "control: {} at {} asks: {}{}", who_.name,
                           who_.address, row.name(), subject_of(message));
    }
    if constexpr (std::is_same_v<request_type, subscribe>)
      return subscribe_remote(message.subscriber);
    else if constexpr (std::is_same_v<request_type, unsubscribe>)
      return unsubscribe_remote(message.subscriber);
    else
      return pass_on<answer>(std::move(message));
  };
}

facade::behavior_type facade::make_behavior() {
  set_down_handler([this](caf::down_msg& down) { forget(down.source); });
  return handle_all<behavior_type>(request_table, [this](const auto& row) {
    return handler(row);
  });
}

void facade::on_exit() {
  for (const auto& entry : subscriptions_) {
    caf::anon_send(overlay_, unsubscribe{entry.relay});
    caf::anon_send_exit(entry.relay, caf::exit_reason::user_shutdown);
  }
  commons_->subscriptions -= subscriptions_.size();
  subscriptions_.clear();
  overlay_ = nullptr;
}

caf::result<void> facade::subscribe_remote(const event_subscriber& remote) {
  if (!remote)
    return make_error(EINVAL, "There is no such subscriber");
  const auto address = remote->address();
  auto found = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                            [&](const subscription& entry) {
                              return entry.remote == address;
                            });
  if (found == subscriptions_.end()) {
    if (subscriptions_.size() >= most_subscriptions)
      return make_error(ENOSPC, "A connection has at most "
                                  + std::to_string(most_subscriptions)
                                  + " subscriptions: end one first");
    constexpr auto most = facade_commons::most_subscriptions;
    if (++commons_->subscriptions > most) {
      --commons_->subscriptions;
      return make_error(ENOSPC, "There are " + std::to_string(most)
                                  + " remote subscriptions already");
    }
    const event_subscriber relay = system().spawn<event_relay>(remote);
    monitor(relay);
    found = subscriptions_.insert(found, {address, relay});
  }
  auto promise = make_response_promise();
  request(overlay_, patience, subscribe{found->relay})
    .then([promise]() mutable { promise.deliver(caf::unit); },
          [this, promise, relay = found->relay](caf::error& reason) mutable {
            promise.deliver(explain(reason));
            end(relay);
          });
  return promise;
}

caf::result<void> facade::unsubscribe_remote(const event_subscriber& remote) {
  const auto found
    = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                   [&](const subscription& entry) {
                     return remote && entry.remote == remote->address();
                   });
  if (found == subscriptions_.end())
    return caf::unit;
  end(event_subscriber{found->relay});
  return caf::unit;
}

void facade::end(const event_subscriber& relay) {
  demonitor(relay->address());
  forget(relay->address());
  caf::anon_send_exit(relay, caf::exit_reason::user_shutdown);
}

/// A relay has ended, or is about to.
void facade::forget(const caf::actor_addr& relay) {
  const auto found = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                                  [&](const subscription& entry) {
                                    return entry.relay->address() == relay;
                                  });
  if (found == subscriptions_.end())
    return;
  caf::anon_send(overlay_, unsubscribe{found->relay});
  subscriptions_.erase(found);
  --commons_->subscriptions;
}

} // namespace weft
