// The event hub: what happens goes in, and out to whoever has subscribed.  It
// lives on the control loop; a subscriber that is slow costs a bounded queue
// and then its subscription, and packets never wait for any of it.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "messages/event_hub.hpp"
#include "protocol/base/token_bucket.hpp"

#include <spdlog/logger.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <unordered_set>

namespace weft {

class event_hub : public hosted<event_hub_actor::base> {
public:
  /// Subscribers at a time.
  static constexpr std::size_t max_subscribers = 1024;
  /// Events that wait for one subscriber.
  static constexpr std::size_t max_waiting = 4096;
  /// The same for all subscribers together; beyond that the one that is
  /// furthest behind loses its subscription.  They share the events themselves.
  static constexpr std::size_t max_waiting_in_all = std::size_t{1} << 17;
  /// Events in one batch.
  static constexpr std::size_t max_batch = 256;
  /// Events in all unanswered batches, but a few for each subscriber.
  static constexpr std::size_t max_unanswered = 16'384;

  /// What a subscriber has to answer a batch.
  static constexpr std::chrono::seconds patience{10};

  /// Lines in the log about troubles of peers: so many, then one in each such
  /// time.
  static constexpr unsigned trouble_burst = 32;
  static constexpr std::chrono::seconds trouble_interval{10};

  event_hub(caf::actor_config& config, io_loop_ptr loop, std::string interface,
            std::shared_ptr<spdlog::logger> log);

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct subscription {
    event_subscriber subscriber;
    std::uint64_t number = 0; ///< no other one has or had it
    std::deque<std::shared_ptr<const overlay_event>> waiting;
    std::uint64_t passed = 0; ///< events before those that wait
    bool busy = false;        ///< a batch has not been answered
    deadline_id overdue;      ///< when it should have been
  };
  using subscriptions = std::map<caf::actor_addr, subscription>;

  caf::result<void> add(const event_subscriber& subscriber);
  void remove(const caf::actor_addr& subscriber);
  void happened(const overlay_event& event);
  void log(const overlay_event& event);
  /// Whether there is room for a line about this trouble.
  bool may_tell(const overlay_event& event);
  void publish(const overlay_event& event);
  void send_batch(subscription& to);
  void
  answered(const caf::actor_addr& subscriber, std::uint64_t number, bool well);
  void give_up(const caf::actor_addr& subscriber, const std::string& why);
  /// Whether it is about a peer that has been removed meanwhile.
  bool comes_too_late(const overlay_event& event) const;
  event_report report() const;

  std::string interface_;
  std::shared_ptr<spdlog::logger> log_;
  subscriptions subscriptions_;
  std::uint64_t last_number_ = 0;
  std::size_t waiting_in_all_ = 0;
  /// By kind.
  std::array<std::uint64_t, static_cast<std::size_t>(last_of(event_kind{})) + 1>
    counts_{};
  std::uint64_t lost_ = 0;               ///< that subscribers were too slow for
  std::unordered_set<public_key> peers_; ///< added, and not removed
  token_bucket trouble_lines_{trouble_burst, trouble_interval};
  std::uint64_t untold_troubles_ = 0;
};

} // namespace weft
