// What goes over a connection, or waits for one.
#include "actors/control/client/link.hpp"
#include "actors/control/server/facade.hpp"
#include "actors/control/wire/frame_filter.hpp"
#include "messages/errors.hpp"

#include <caf/detail/serialized_size.hpp>

#include <algorithm>
#include <cerrno>

namespace weft {

control_link::behavior_type control_link::make_behavior() {
  set_default_handler(caf::drop);
  set_down_handler([this](caf::down_msg& down) {
    if (down.source == options_.watcher)
      options_.watcher = nullptr;
    else
      forget_relay(down.source);
  });
  if (options_.watcher)
    monitor(options_.watcher);
  attempt();
  return handle_all<behavior_type>(
    request_table,
    [this]<class T, class R, auto... M>(const request_row<T, R, M...>&) {
      return handler<T, R>();
    },
    [this](const stop_link&) { quit(); },
    [this](hosts_found& found) {
      if (found.attempt != attempt_ || stage_ != stage::resolving)
        return;
      if (found.addresses && !found.addresses->empty())
        dial(std::move(*found.addresses));
      else
        not_reached({ENOTCONN,
                     found.addresses ? "The host of " + name_ + " is not found"
                                     : found.addresses.error().message,
                     false});
    },
    [this](const facade_found& other) {
      if (other.attempt == attempt_ && stage_ == stage::handshaking)
        met(other.facade);
    });
}

template <class T, class R>
auto control_link::handler() {
  return [this](T& message) -> caf::result<R> {
    if constexpr (std::is_same_v<T, subscribe>)
      return begin_subscription(message.subscriber);
    else if constexpr (std::is_same_v<T, unsubscribe>)
      return end_subscription(message.subscriber);
    else
      return take<R>(std::move(message));
  };
}

/// Why a request cannot even wait.
caf::error control_link::objection() const {
  if (stage_ == stage::refused)
    return make_error(state_.code, state_.reason);
  if (asked_.size() >= most_requests)
    return make_error(EBUSY, "Too many requests to " + name_
                               + " have not been answered");
  return {};
}

/// Sends a request, or keeps it until there is a connection.
template <class R, class T>
caf::result<R> control_link::take(T message) {
  if (auto why = objection())
    return why;
  const auto number = ++last_number_;
  auto& entry = asked_[number];
  entry.promise = make_response_promise();
  entry.ends_daemon = std::is_same_v<T, shut_down>;
  if constexpr (std::is_same_v<T, subscribe>)
    entry.relay = message.subscriber;
  if (stage_ == stage::connected) {
    send<R>(number, std::move(message));
    return caf::delegated<R>{};
  }
  entry.send
    = [this, number, kept = std::move(message)] { send<R>(number, kept); };
  if (stage_ == stage::pausing)
    hurry();
  return caf::delegated<R>{};
}

/// What the daemon would cut the connection for.
template <class T>
caf::error control_link::too_large(const T& message) {
  const auto size = caf::detail::serialized_size(system(), message);
  if (state_.role != control_role::operate)
    return size + frame_filter::message_overhead
               > frame_filter::most_from_viewer
             ? role_refusal(who_, state_.role, find_row<T>(request_table))
             : caf::error{};
  if (size <= max_control_size)
    return {};
  const auto most = std::to_string(max_control_size >> 20) + " MiB";
  if constexpr (std::is_same_v<T, apply_config>)
    return make_error(EMSGSIZE,
                      "The configuration is larger than a message may be ("
                        + most
                        + "): bring the file to the node, and have the "
                          "daemon reload it",
                      "file");
  else
    return make_error(EMSGSIZE, "The request is larger than a message may be ("
                                  + most + ")");
}

template <class R, class T>
void control_link::send(std::uint64_t number, T message) {
  if (auto why = too_large(message)) {
    failed(number, std::move(why));
    return;
  }
  auto asking = request(remote_, caf::infinite, std::move(message));
  auto on_error
    = [this, number](caf::error& reason) { failed(number, std::move(reason)); };
  if constexpr (std::is_void_v<R>)
    asking.then([this, number] { succeeded(number, caf::unit); }, on_error);
  else
    asking.then([this,
                 number](R& answer) { succeeded(number, std::move(answer)); },
                on_error);
}

template <class Answer>
void control_link::succeeded(std::uint64_t number, Answer answer) {
  const auto found = asked_.find(number);
  if (found == asked_.end())
    return; // answered when the connection was lost
  auto one = std::move(found->second);
  asked_.erase(found);
  for (auto& each : subscriptions_)
    each.confirmed = each.confirmed || each.relay == one.relay;
  one.promise.deliver(std::move(answer));
}

void control_link::failed(std::uint64_t number, caf::error reason) {
  const auto found = asked_.find(number);
  if (found == asked_.end())
    return;
  auto one = std::move(found->second);
  asked_.erase(found);
  give_up(one, std::move(reason));
}

void control_link::give_up(asked& one, caf::error reason) {
  for (const auto& each : subscriptions_) {
    if (each.relay == one.relay && !each.confirmed) {
      end_relay(one.relay);
      break;
    }
  }
  one.promise.deliver(std::move(reason));
}

void control_link::answer_all(const caf::error& reason) {
  for (auto& [number, each] : std::exchange(asked_, {})) {
    // Whoever asked for the end need not hear that it came.
    if (each.ends_daemon && !each.send)
      each.promise.deliver(caf::unit);
    else
      give_up(each, reason);
  }
}

// -- subscriptions -----------------------------------------------------------

// CAF keeps every actor that was shown to another process until it ends.  So
// a relay is shown in the place of a subscriber, which then may simply be let
// go of.

caf::result<void>
control_link::begin_subscription(const event_subscriber& subscriber) {
  if (!subscriber)
    return make_error(EINVAL, "There is no such subscriber");
  if (auto why = objection())
    return why;
  auto found = find_subscription(subscriber);
  if (found != subscriptions_.end() && *found->over) {
    forget_relay(found->relay->address());
    found = subscriptions_.end();
  }
  if (found == subscriptions_.end()) {
    auto over = std::make_shared<std::atomic<bool>>(false);
    const event_subscriber relay
      = system().spawn<event_relay>(subscriber, over);
    monitor(relay);
    found = subscriptions_.insert(subscriptions_.end(),
                                  {subscriber, relay, std::move(over)});
  }
  return take<void>(subscribe{found->relay});
}

caf::result<void>
control_link::end_subscription(const event_subscriber& subscriber) {
  const auto found = find_subscription(subscriber);
  if (found == subscriptions_.end())
    return caf::unit;
  const auto relay = found->relay;
  if (stage_ != stage::connected) {
    end_relay(relay);
    return caf::unit;
  }
  auto answer = take<void>(unsubscribe{relay});
  end_relay(relay);
  return answer;
}

control_link::subscription_list::iterator
control_link::find_subscription(const event_subscriber& subscriber) {
  return std::find_if(subscriptions_.begin(), subscriptions_.end(),
                      [&](const subscription& each) {
                        return each.subscriber == subscriber;
                      });
}

/// The daemon has refused it.  When the connection is lost it is tried again.
void control_link::not_subscribed_again(const event_subscriber& relay,
                                        const caf::error& reason) {
  const auto found = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                                  [&](const subscription& each) {
                                    return each.relay == relay;
                                  });
  if (found == subscriptions_.end() || error_code(reason) == EIO)
    return;
  overlay_event notice;
  notice.kind = event_kind::events_lost;
  notice.when = loop().wall();
  notice.reason = "the subscription ends: " + error_message(reason);
  caf::anon_send(found->subscriber, event_batch{0, {std::move(notice)}});
  end_relay(relay);
}

void control_link::end_relay(const event_subscriber& relay) {
  caf::anon_send_exit(relay, caf::exit_reason::user_shutdown);
  forget_relay(relay->address());
}

/// It has ended, or is about to.
void control_link::forget_relay(const caf::actor_addr& relay) {
  const auto found = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                                  [&](const subscription& each) {
                                    return each.relay->address() == relay;
                                  });
  if (found == subscriptions_.end())
    return;
  demonitor(relay);
  subscriptions_.erase(found);
}

void control_link::end_all_subscriptions() {
  for (const auto& each : std::exchange(subscriptions_, {}))
    caf::anon_send_exit(each.relay, caf::exit_reason::user_shutdown);
}

} // namespace weft
