// What a client of remote control has in the place of the overlay: it checks
// the client's role, passes requests on, and bounds what they may cost.
#pragma once

#include "actors/control/own_scheduler.hpp"
#include "actors/control/server/client_account.hpp"
#include "messages/control.hpp"
#include "protocol/base/control_role.hpp"
#include "protocol/base/time.hpp"

#include <spdlog/logger.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// Who is at the other end of a control connection.
struct control_caller {
  control_role role = control_role::view;
  std::string name;    ///< `user root`, `certificate alice`
  std::string address; ///< where from
  /// Whose connections count as one's: `user 0`, `certificate alice`.
  std::string identity{};
  /// It may do anything to the daemon anyway: root of this host, or the
  /// daemon's own user.  Others do not use up its places.
  bool is_master = false;
  std::shared_ptr<client_account> account{}; ///< null: it gets one
};

/// What all facades of a role's system share.
struct facade_commons {
  static constexpr std::size_t most_subscriptions = 256;
  std::atomic<std::size_t> subscriptions{0};
  std::shared_ptr<spdlog::logger> log;
  /// The gateway's: facades live on no loop.
  std::shared_ptr<const time_source> clock;
};

/// Passes events on to a subscriber in another process.  A batch is answered
/// once the subscriber has answered it, and nothing is kept, so whoever sends
/// the events sees how fast the subscriber is.  Ends when that one is gone.
class event_relay final : public own_scheduler<event_subscriber::base> {
public:
  /// `over` is set before the subscriber hears that its subscription ended.
  event_relay(caf::actor_config& config, event_subscriber remote,
              std::shared_ptr<std::atomic<bool>> over
              = std::make_shared<std::atomic<bool>>());

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  caf::result<void> pass_on(event_batch& batch);

  event_subscriber remote_;
  std::shared_ptr<std::atomic<bool>> over_;
  caf::response_promise unanswered_;
};

/// One for each connection.  It lives in the actor system of the client's role
/// and ends with the connection.
class facade final : public own_scheduler<overlay_actor::base> {
public:
  static constexpr std::size_t most_subscriptions = 16;
  /// An overlay that takes longer is not waited for.
  static constexpr std::chrono::seconds patience{30};

  facade(caf::actor_config& config, overlay_actor overlay, control_caller who,
         std::shared_ptr<facade_commons> commons);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct subscription {
    caf::actor_addr remote;
    event_subscriber relay;
  };

  template <class R, class T>
  caf::result<R> pass_on(T message);
  template <class Row>
  auto handler(const Row& row);
  caf::error refuse(const request_traits& request);
  caf::result<void> subscribe_remote(const event_subscriber& remote);
  caf::result<void> unsubscribe_remote(const event_subscriber& remote);
  void end(const event_subscriber& relay);
  void forget(const caf::actor_addr& relay);

  overlay_actor overlay_;
  control_caller who_;
  std::shared_ptr<facade_commons> commons_;
  std::vector<subscription> subscriptions_;
};

/// What a viewer's other requests are answered with.
caf::error role_refusal(const std::string& who, control_role role,
                        const request_traits& request);

} // namespace weft
