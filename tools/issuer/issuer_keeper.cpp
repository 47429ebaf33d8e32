#include "tools/issuer/issuer_keeper.hpp"

#include "platform/clock.hpp"
#include "platform/epoll.hpp"
#include "platform/program.hpp"

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>

namespace weft {

namespace {

class keeper {
public:
  keeper(const std::vector<std::string>& words, const signal_watch& signals,
         poller events, spdlog::logger& log)
    : words_(words), signals_(signals), events_(std::move(events)), log_(log) {
  }

  result<void> run(int parent) {
    int with_signals = 0; // what each is watched with is its own
    int with_parent = 0;
    if (auto watched
        = events_.watch(signals_.descriptor(), interest::read, &with_signals);
        !watched)
      return watched;
    if (auto watched = events_.watch(parent, interest::read, &with_parent);
        !watched)
      return watched;
    start();
    for (;;) {
      for (const auto& event : events_.wait(true)) {
        if (event.tag == &with_parent
            || (event.tag == &with_signals && is_to_end()))
          return {};
        if (event.tag == this)
          look_at_end();
      }
      if (starts_at_ && boot_now() >= *starts_at_)
        start();
    }
  }

private:
  bool is_to_end() const {
    const int signal = signals_.read();
    return signal == SIGTERM || signal == SIGINT;
  }

  void start() {
    starts_at_.reset();
    auto started = start_companion(words_);
    if (!started) {
      start_later(started.error().message);
      return;
    }
    running_ = std::move(*started);
    started_at_ = boot_now();
    if (auto watched = events_.watch(running_->way.get(), interest::read, this);
        !watched)
      log_.error("the issuer runs, and nobody sees it end: {}",
                 watched.error().message);
  }

  /// It writes nothing to its standard input: that is its end.
  void look_at_end() {
    events_.forget(running_->way.get());
    const auto how = await_end(*std::exchange(running_, std::nullopt));
    if (boot_now() - started_at_ >= longest_issuer_pause)
      pause_ = shortest_issuer_pause;
    start_later("the issuer " + how);
  }

  void start_later(const std::string& why) {
    log_.error("nobody is let in for now: {}; it is started again in {} s", why,
               pause_.count());
    starts_at_ = boot_now() + pause_;
    events_.set_deadline(starts_at_);
    pause_ = std::min(2 * pause_, longest_issuer_pause);
  }

  const std::vector<std::string>& words_;
  const signal_watch& signals_;
  poller events_;
  spdlog::logger& log_;
  std::optional<companion> running_;
  time_point started_at_{};
  std::optional<time_point> starts_at_;
  std::chrono::seconds pause_ = shortest_issuer_pause;
};

} // namespace

result<void>
keep_issuer(const std::vector<std::string>& words, const signal_watch& signals,
            int parent, spdlog::logger& log) {
  auto events = poller::open();
  if (!events)
    return tl::unexpected(std::move(events.error()));
  return keeper{words, signals, std::move(*events), log}.run(parent);
}

} // namespace weft
