// `weft watch`: the events of a node, a line each.
#include "platform/clock.hpp"
#include "platform/epoll.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/control_text.hpp"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <ostream>

namespace weft {

namespace {

/// What the watcher has to finish its line when it is to end.
constexpr std::chrono::seconds patience{2};

using caf::atom_constant;
using news_atom = atom_constant<caf::atom("news")>;

/// Also told how it stands with the connection.
using watcher_actor
  = event_subscriber::extend<caf::reacts_to<news_atom, connection_news>>;

/// What the watcher leaves behind, and the thread that waits for its end.
struct watch_end {
  explicit watch_end(poller waiting) : waiter(std::move(waiting)) {
  }
  poller waiter;
  std::atomic<bool> over = false;
  std::optional<failure> reason; ///< complete once it is over
};

/// Prints in its handlers, so that a slow terminal slows down nobody but the
/// node's queue for it, which is bounded.
class watcher final : public watcher_actor::base {
public:
  watcher(caf::actor_config& config, const watch_options& options,
          const node_connection& link, std::ostream& out,
          std::shared_ptr<watch_end> end)
    : watcher_actor::base(config), options_(options), link_(link), out_(out),
      end_(std::move(end)) {
  }

  behavior_type make_behavior() override;
  void on_exit() override {
    overlay_ = nullptr;
  }

private:
  void begin();
  void subscribe_again();
  void print(const event_batch& batch);
  void lost(const failure& why, bool gave_up);
  void connected();
  void fail(failure why) {
    end_->reason = std::move(why);
    quit();
  }
  void say(const std::string& line) {
    out_ << line << std::flush;
    if (!out_)
      quit();
  }

  watch_options options_;
  const node_connection& link_;
  std::ostream& out_;
  std::shared_ptr<watch_end> end_;
  overlay_actor overlay_;
  std::uint64_t seen_ = 0;
  bool subscribed_ = false;
  std::string lost_because_; ///< empty: it stands
};

watcher::behavior_type watcher::make_behavior() {
  set_down_handler([this](const caf::down_msg& down) {
    fail(to_failure(down.reason, link_.timeout));
  });
  begin();
  return {
    [this](const event_batch& batch) { print(batch); },
    [this](news_atom, const connection_news& news) {
      if (news.trouble)
        lost(*news.trouble, news.gave_up);
      else
        connected();
    },
  };
}

void watcher::begin() {
  const watcher_actor self{this};
  auto overlay = link_.watched([self](const connection_news& news) {
    caf::anon_send(self, news_atom::value, news);
  });
  if (!overlay) {
    fail(std::move(overlay.error()));
    return;
  }
  overlay_ = std::move(*overlay);
  monitor(overlay_);
  subscribe_again();
}

void watcher::subscribe_again() {
  request(overlay_, link_.timeout, subscribe{this})
    .then([this] { subscribed_ = true; },
          [this](const caf::error& reason) {
            if (!subscribed_)
              fail(to_failure(reason, link_.timeout));
          });
}

void watcher::print(const event_batch& batch) {
  for (const auto& event : batch.events) {
    say(format_event(event, link_.json));
    ++seen_;
    if (seen_ == options_.count) {
      quit();
      return;
    }
    if (event.kind == event_kind::events_lost)
      subscribe_again();
  }
}

void watcher::lost(const failure& why, bool gave_up) {
  if (!subscribed_)
    return; // the answer to the first request will say why
  // Attempts to connect again may fail for another reason.
  if (lost_because_ != why.message)
    say(format_connection("connection_lost", wall_now(), why.message,
                          link_.json));
  lost_because_ = why.message;
  if (gave_up)
    fail(why);
}

void watcher::connected() {
  if (!lost_because_.empty())
    say(format_connection("connected", wall_now(),
                          "events in between are missing", link_.json));
  lost_because_.clear();
}

} // namespace

int watch_events(const watch_options& options, const node_connection& link,
                 const streams& io, int signals) {
  auto waiter = poller::open();
  if (!waiter)
    return report(to_failure(waiter.error()), link.json, io);
  const auto end = std::make_shared<watch_end>(std::move(*waiter));
  if (auto watched = end->waiter.watch(signals, interest::read, nullptr);
      !watched)
    return report(to_failure(watched.error()), link.json, io);
  const watcher_actor actor
    = link.system().spawn<watcher>(options, link, io.out, end);
  actor->attach_functor([end] {
    end->over = true;
    end->waiter.wake();
  });
  std::optional<time_point> leaving_at;
  while (!end->over) {
    if (!end->waiter.wait(true).empty()) {
      end->waiter.forget(signals);
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
      leaving_at = boot_now() + patience;
      end->waiter.set_deadline(leaving_at);
    }
    // Whoever reads our output may have stopped, with the watcher in the
    // middle of a line.
    if (leaving_at && boot_now() >= *leaving_at && !end->over)
      ::_exit(exit_fine);
  }
  if (end->reason)
    return report(*end->reason, link.json, io);
  return exit_fine;
}

} // namespace weft
