// Keeps the connection to a daemon: connects, carries requests, and connects
// again.
#pragma once

#include "actors/control/client/connect.hpp"
#include "actors/control/client/dialer.hpp"
#include "actors/control/wire/frame_relay.hpp"
#include "actors/loop/alarm.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// The overlay_actor that nobody holds any more -> link.
struct stop_link {};

/// A look-up's thread -> link.
struct hosts_found {
  std::uint64_t attempt = 0;
  result<std::vector<endpoint>> addresses;
};

/// A broker -> link: the other end serves this actor; null: none.
struct facade_found {
  std::uint64_t attempt = 0;
  caf::strong_actor_ptr facade;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::stop_link)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::hosts_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::facade_found)

namespace weft {

using link_actor = overlay_actor::extend<caf::reacts_to<stop_link>,
                                         caf::reacts_to<hosts_found>,
                                         caf::reacts_to<facade_found>>;

class control_link final : public hosted<link_actor::base> {
public:
  /// Requests that wait for a connection or for an answer.
  static constexpr std::size_t most_requests = 1024;

  control_link(caf::actor_config& config, io_loop_ptr loop,
               control_target where, connect_options options);
  ~control_link() override;

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  enum class stage : std::uint8_t {
    pausing,   ///< until the next attempt
    resolving, ///< the host name
    dialing,
    handshaking, ///< CAF gets to know the other side
    connected,
    refused, ///< for good
  };

  /// A request that has not been answered.
  struct asked {
    caf::response_promise promise;
    std::function<void()> send; ///< null: it was sent
    bool ends_daemon = false;
    event_subscriber relay; ///< that it subscribes; or null
  };

  struct subscription {
    event_subscriber subscriber;
    event_subscriber relay; ///< what the daemon sees of it
    std::shared_ptr<std::atomic<bool>> over;
    bool confirmed = false; ///< it was subscribed once
  };
  using subscription_list = std::vector<subscription>;

  /// Lets the thread of a look-up speak to the actor only while it lives.
  struct lifetime {
    std::mutex mutex;
    bool open = true;
  };

  template <class T, class R>
  auto handler();
  template <class R, class T>
  caf::result<R> take(T message);
  template <class R, class T>
  void send(std::uint64_t number, T message);
  caf::error objection() const;
  template <class T>
  caf::error too_large(const T& message);
  template <class Answer>
  void succeeded(std::uint64_t number, Answer answer);
  void failed(std::uint64_t number, caf::error reason);
  void give_up(asked& one, caf::error reason);

  caf::result<void> begin_subscription(const event_subscriber& subscriber);
  caf::result<void> end_subscription(const event_subscriber& subscriber);
  subscription_list::iterator
  find_subscription(const event_subscriber& subscriber);
  void end_relay(const event_subscriber& relay);
  void
  not_subscribed_again(const event_subscriber& relay, const caf::error& reason);
  void forget_relay(const caf::actor_addr& relay);
  void end_all_subscriptions();

  void attempt();
  void hurry();
  bool load_certificates();
  void resolve(const remote_target& remote);
  void dial(std::vector<endpoint> addresses);
  void reached(dialer::success found);
  void met(const caf::strong_actor_ptr& facade);
  void not_reached(const dial_failure& failure);
  void lost(const std::string& why);
  void hang_up();
  void pause();
  void check();
  bool check_certificates(time_point now);
  void tell_watcher();
  void answer_all(const caf::error& reason);

  control_target where_;
  std::string name_; ///< of the target
  connect_options options_;
  std::string node_;
  std::optional<tls_context> tls_;
  std::shared_ptr<lifetime> lifetime_ = std::make_shared<lifetime>();

  stage stage_ = stage::pausing;
  connection_state state_;
  std::string who_;                           ///< that the daemon takes us for
  std::optional<connection_state> last_told_; ///< to the watcher, last
  std::uint64_t attempt_ = 0;
  time_point attempt_deadline_{};
  time_point next_attempt_{};
  time_point earliest_attempt_{};
  std::chrono::milliseconds pause_;

  time_point certificates_due_{};

  std::unique_ptr<dialer> dialer_;
  std::unique_ptr<frame_relay> frames_;
  caf::actor broker_;
  overlay_actor remote_;

  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, asked> asked_;
  subscription_list subscriptions_;
  alarm_clock alarm_;
};

} // namespace weft
