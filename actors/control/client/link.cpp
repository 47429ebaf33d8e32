// How a connection is made and lost.  What is sent over it: link_requests.cpp.
#include "actors/control/client/link.hpp"

#include "actors/control/wire/broker.hpp"
#include "actors/control/wire/frame_filter.hpp"
#include "messages/errors.hpp"
#include "platform/connect.hpp"
#include "platform/resolve.hpp"
#include "platform/thread.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

namespace weft {

namespace {

/// While connected, between looks at the files of certificates.
constexpr std::chrono::seconds between_looks{1};

} // namespace

control_link::control_link(caf::actor_config& config, io_loop_ptr loop,
                           control_target where, connect_options options)
  : hosted(config, std::move(loop)), where_(std::move(where)),
    name_(to_string(where_)), options_(std::move(options)),
    pause_(options_.first_pause), alarm_(this->loop(), [this] {
      enter_loop_context();
      check();
    }) {
}

control_link::~control_link() = default;

void control_link::on_exit() {
  {
    const std::lock_guard guard(lifetime_->mutex);
    lifetime_->open = false;
  }
  alarm_.stop();
  hang_up();
  answer_all(make_error(ESHUTDOWN, "The connection to " + name_
                                     + " is being ended by this program"));
  end_all_subscriptions();
  options_.watcher = nullptr;
  loop().stop();
}

// -- attempts ----------------------------------------------------------------

void control_link::attempt() {
  ++attempt_;
  const auto now = loop().now();
  attempt_deadline_ = now + options_.attempt;
  alarm_.set(attempt_deadline_);
  if (node_.empty())
    node_ = serialized_node(system());
  const auto* remote = std::get_if<remote_target>(&where_);
  if (remote == nullptr)
    dial({});
  else if (load_certificates())
    resolve(*remote);
}

bool control_link::load_certificates() {
  const auto& files = std::get<remote_target>(where_).files;
  auto failed = [this](const system_error& error) {
    not_reached({error.code == 0 ? EPROTO : error.code, error.message, false});
    return false;
  };
  if (tls_) {
    // Those that are in force will do.
    std::ignore = tls_->reload_if_changed();
    return true;
  }
  auto loaded = tls_context::client(files);
  if (!loaded)
    return failed(loaded.error());
  tls_.emplace(std::move(*loaded));
  return true;
}

void control_link::resolve(const remote_target& remote) {
  if (const auto address = parse_ip_address(remote.host)) {
    dial({endpoint{*address, remote.port, 0}});
    return;
  }
  stage_ = stage::resolving;
  try {
    std::thread([remote, number = attempt_, life = lifetime_,
                 weak = caf::actor_cast<caf::weak_actor_ptr>(this)] {
      enter_service_thread("weft-resolve");
      hosts_found found{number, resolve_host(remote.host, remote.port)};
      const std::lock_guard guard(life->mutex);
      if (!life->open)
        return;
      if (auto self = weak.lock())
        caf::anon_send(caf::actor_cast<link_actor>(self), std::move(found));
    }).detach();
  } catch (const std::system_error& error) {
    not_reached({error.code().value(),
                 "Cannot look up " + remote.host + ": " + error.what(), false});
  }
}

void control_link::dial(std::vector<endpoint> addresses) {
  stage_ = stage::dialing;
  dialer::owner told;
  told.entered = [this] { enter_loop_context(); };
  told.done = [this](dialer::outcome outcome) {
    dialer_.reset(); // which called this
    if (outcome)
      reached(std::move(*outcome));
    else
      not_reached(outcome.error());
  };
  const auto* context = tls_ ? &*tls_ : nullptr;
  dialer_
    = std::make_unique<dialer>(loop(), where_, context, node_, std::move(told));
  dialer_->start(std::move(addresses), loop().now(), attempt_deadline_);
  if (dialer_)
    alarm_.set(dialer_->next_check());
}

void control_link::reached(dialer::success found) {
  stage_ = stage::handshaking;
  state_.role = found.hello.role;
  state_.interface = found.hello.interface;
  who_ = found.hello.text;
  auto ends = open_socket_pair();
  if (!ends) {
    not_reached({ends.error().code, ends.error().message, false});
    return;
  }
  broker_ = spawn_broker(
    system(), std::move(ends->second),
    {.met = [number = attempt_, weak = caf::actor_cast<caf::weak_actor_ptr>(
                                  this)](const caf::strong_actor_ptr& facade) {
      if (auto self = weak.lock())
        caf::anon_send(caf::actor_cast<link_actor>(self),
                       facade_found{number, facade});
    }});
  frame_relay::owner told;
  told.entered = [this] { enter_loop_context(); };
  told.worked = [this] { alarm_.set(frames_->next_check()); };
  told.ended = [this](const std::string& why, relay_end) { lost(why); };
  frames_ = std::make_unique<frame_relay>(loop(), std::move(found.connection),
                                          std::move(ends->first),
                                          std::make_unique<server_guard>(),
                                          options_.frames, std::move(told));
  frames_->proceed();
}

void control_link::met(const caf::strong_actor_ptr& facade) {
  if (!facade) {
    lost("it serves no overlay, or does not answer as CAF does");
    return;
  }
  remote_ = caf::actor_cast<overlay_actor>(facade);
  stage_ = stage::connected;
  pause_ = options_.first_pause;
  state_.connected = true;
  state_.certificate_refused = false;
  state_.code = 0;
  state_.reason.clear();
  tell_watcher();
  for (const auto& each : subscriptions_) {
    if (each.confirmed)
      request(remote_, caf::infinite, subscribe{each.relay})
        .then([] {},
              [this, relay = each.relay](const caf::error& reason) {
                not_subscribed_again(relay, reason);
              });
  }
  std::vector<std::function<void()>> due; // which may take requests out
  for (auto& [number, each] : asked_)
    due.push_back(std::exchange(each.send, nullptr));
  for (const auto& send_now : due)
    send_now();
}

void control_link::not_reached(const dial_failure& failure) {
  hang_up();
  state_.connected = false;
  state_.code = failure.code;
  state_.reason = failure.reason;
  state_.certificate_refused = failure.is_refusal;
  state_.gave_up = failure.is_final && !options_.retry_refused;
  if (state_.gave_up)
    stage_ = stage::refused;
  else
    pause();
  tell_watcher();
  answer_all(make_error(failure.code, failure.reason));
}

void control_link::lost(const std::string& why) {
  hang_up();
  const auto was_connected = std::exchange(state_.connected, false);
  state_.certificate_refused = false;
  state_.code = ENOTCONN;
  state_.reason = "The connection to " + name_ + " was lost: " + why;
  pause();
  tell_watcher();
  if (was_connected)
    answer_all(make_error(
      ECONNRESET, state_.reason + ". The request may have been carried out"));
  else
    answer_all(make_error(ENOTCONN, state_.reason));
}

void control_link::hang_up() {
  dialer_.reset();
  frames_.reset();
  remote_ = nullptr;
  if (broker_)
    caf::anon_send_exit(broker_, caf::exit_reason::user_shutdown);
  broker_ = nullptr;
}

// -- time --------------------------------------------------------------------

void control_link::pause() {
  stage_ = stage::pausing;
  const auto now = loop().now();
  earliest_attempt_ = now + options_.first_pause;
  next_attempt_ = now + pause_;
  pause_ = std::min(2 * pause_, options_.longest_pause);
  alarm_.set(next_attempt_);
}

/// A request waits.
void control_link::hurry() {
  next_attempt_ = std::min(next_attempt_, earliest_attempt_);
  alarm_.set(next_attempt_);
}

void control_link::check() {
  const auto now = loop().now();
  switch (stage_) {
    case stage::pausing:
      if (now >= next_attempt_)
        attempt();
      else
        alarm_.set(next_attempt_);
      break;
    case stage::resolving:
      if (now >= attempt_deadline_)
        not_reached(
          {ETIMEDOUT, "The host of " + name_ + " is not found in time", false});
      else
        alarm_.set(attempt_deadline_);
      break;
    case stage::dialing:
      dialer_->check(now);
      if (dialer_)
        alarm_.set(dialer_->next_check());
      break;
    case stage::handshaking:
      if (now >= attempt_deadline_) {
        lost("it did not answer in time");
        break;
      }
      alarm_.set(attempt_deadline_);
      [[fallthrough]];
    case stage::connected:
      if (check_certificates(now) && frames_->check(now))
        alarm_.set(frames_->next_check());
      break;
    case stage::refused:
      break;
  }
}

/// Parts with a daemon that would not be believed any more.
bool control_link::check_certificates(time_point now) {
  const auto* stream = frames_->remote().tls();
  if (!tls_ || stream == nullptr)
    return true;
  if (now >= certificates_due_) {
    certificates_due_ = now + between_looks;
    std::ignore = tls_->reload_if_changed(); // those in force will do
    if (const auto why = tls_->objection_to(*stream, loop().wall())) {
      lost(*why);
      return false;
    }
  }
  alarm_.set(certificates_due_);
  return true;
}

void control_link::tell_watcher() {
  const auto is_new = !last_told_ || last_told_->connected != state_.connected
                      || last_told_->reason != state_.reason
                      || last_told_->gave_up != state_.gave_up;
  last_told_ = state_;
  if (is_new && options_.watcher)
    caf::anon_send(options_.watcher, state_);
}

} // namespace weft
