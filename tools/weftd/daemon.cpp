#include "tools/weftd/daemon.hpp"

#include "actors/start_overlay.hpp"
#include "platform/epoll.hpp"
#include "tools/weftd/logging.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>

namespace weft {

namespace {

/// CAF's own scheduler carries no packets and, so far, nothing else; one
/// worker that waits without polling is enough.
class actor_config final : public caf::actor_system_config {
public:
  actor_config() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{1});
  }
};

/// Waits for a signal to end, or for the end of the overlay.
class supervisor {
public:
  static result<std::unique_ptr<supervisor>> create() {
    auto signals = signal_watch::open();
    if (!signals)
      return tl::unexpected(signals.error());
    auto events = poller::open();
    if (!events)
      return tl::unexpected(events.error());
    if (auto done
        = events->watch(signals->descriptor(), interest::read, nullptr);
        !done)
      return tl::unexpected(done.error());
    return std::unique_ptr<supervisor>(
      new supervisor(std::move(*signals), std::move(*events)));
  }

  void watch(const overlay_actor& actor) {
    caf::actor_cast<caf::strong_actor_ptr>(actor)->get()->attach_functor(
      [this](const caf::error& reason) {
        failed_ = reason != caf::exit_reason::user_shutdown;
        ended_ = true;
        events_.wake();
      });
  }

  /// The signal that asks to end, or 0 when the overlay ended by itself.
  int wait() {
    for (;;) {
      if (ended_)
        return 0;
      std::ignore = events_.wait(true);
      if (const auto signal = next_end_signal(); signal != 0)
        return signal;
    }
  }
  /// Another signal meanwhile ends the process at once.
  void wait_for_end() {
    while (!ended_) {
      std::ignore = events_.wait(true);
      if (next_end_signal() != 0)
        std::_Exit(exit_code::run_time);
    }
  }
  bool failed() const {
    return failed_;
  }

private:
  supervisor(signal_watch signals, poller events)
    : signals_(std::move(signals)), events_(std::move(events)) {
  }

  /// SIGINT or SIGTERM if one is there, or 0; others are read and ignored.
  int next_end_signal() {
    for (int signal = signals_.read(); signal != 0; signal = signals_.read()) {
      if (signal == SIGINT || signal == SIGTERM)
        return signal;
    }
    return 0;
  }

  signal_watch signals_;
  poller events_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> failed_{false};
};

} // namespace

int run_daemon(daemon_options options, background* parent) {
  // A log that nobody reads any more is no reason to end.
  std::signal(SIGPIPE, SIG_IGN);
  auto log = make_logger(options.config.log);
  auto waiting = supervisor::create();
  if (!waiting) {
    log->critical("{}", waiting.error().message);
    return exit_code::run_time;
  }
  protect_memory();
  raise_file_limit();
  actor_config config;
  caf::actor_system system{config};
  const auto peers = options.config.peers.size();
  overlay_options overlay;
  overlay.config = std::move(options.config);
  overlay.configure_link = options.configure_link;
  overlay.log = log;
  auto running = start_overlay(system, std::move(overlay));
  if (!running) {
    log->critical("{}", running.error().message);
    return exit_code::run_time;
  }
  (*waiting)->watch(running->actor);
  log->info("interface {} is up, UDP port {}, peers: {}", running->interface,
            running->port, peers);
  notify_service_manager("READY=1");
  if (parent != nullptr)
    parent->ready();
  if (const auto signal = (*waiting)->wait(); signal != 0) {
    log->info("shutting down on {}", signal == SIGINT ? "SIGINT" : "SIGTERM");
    notify_service_manager("STOPPING=1");
    caf::anon_send(running->actor, shut_down{});
    (*waiting)->wait_for_end();
  }
  running->actor = nullptr;
  system.await_all_actors_done();
  log->info("interface {} is gone", running->interface);
  return (*waiting)->failed() ? exit_code::run_time : exit_code::success;
}

} // namespace weft
