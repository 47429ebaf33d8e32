#include "tools/weftd/supervisor.hpp"

#include "platform/clock.hpp"
#include "platform/files.hpp"
#include "tools/exit_codes.hpp"

#include <csignal>
#include <cstdlib>
#include <tuple>
#include <utility>

namespace weft {

using namespace std::chrono_literals;

namespace {

/// A file that changes is read once it has rested for this long.
constexpr auto rest_before_reload = 200ms;
/// One that cannot be opened when it has changed is tried again.
constexpr auto pause_before_retry = 1s;
/// Then the overlay is to say what is wrong, once, until it changes again.
constexpr int most_retries = 5;

} // namespace

result<std::unique_ptr<supervisor>> supervisor::create() {
  auto signals = signal_watch::open();
  if (!signals)
    return tl::unexpected(signals.error());
  auto events = poller::open();
  if (!events)
    return tl::unexpected(events.error());
  if (auto done = events->watch(signals->descriptor(), interest::read, nullptr);
      !done)
    return tl::unexpected(done.error());
  return std::unique_ptr<supervisor>(
    new supervisor(std::move(*signals), std::move(*events)));
}

void supervisor::watch(const overlay_actor& actor) {
  caf::actor_cast<caf::strong_actor_ptr>(actor)->get()->attach_functor(
    [this](const caf::error& reason) {
      failed_ = reason != caf::exit_reason::user_shutdown;
      ended_ = true;
      events_.wake();
    });
}

result<void> supervisor::watch_file(const std::string& file) {
  auto watch = file_watch::open(file);
  if (!watch)
    return tl::unexpected(watch.error());
  file_ = std::move(*watch);
  path_ = file;
  return events_.watch(file_->descriptor(), interest::read, nullptr);
}

result<void>
supervisor::watch_successors(int descriptor, std::function<bool()> serve) {
  serve_ = std::move(serve);
  successors_ = descriptor;
  return events_.watch(descriptor, interest::read, &serve_);
}

caught_signal
supervisor::wait(const std::function<void(bool if_changed)>& reload) {
  while (!ended_) {
    for (const auto& event : events_.wait(true)) {
      if (event.tag != &serve_ || succeeded_ || !serve_())
        continue;
      succeeded_ = true;
      events_.forget(successors_);
    }
    if (const auto signal = next_end_signal(); signal.number != 0)
      return signal;
    if (is_time_to_reload() || hang_up_) {
      const bool if_changed = !std::exchange(hang_up_, false);
      reload_at_.reset();
      events_.set_deadline(std::nullopt);
      reload(if_changed);
    }
  }
  return {};
}

void supervisor::wait_for_end(spdlog::logger& log) {
  while (!ended_) {
    std::ignore = events_.wait(true);
    if (next_end_signal().number == 0)
      continue;
    log.flush();
    std::_Exit(exit_failure);
  }
}

void supervisor::wait_for_end(const guardian& helper) {
  if (file_)
    events_.forget(file_->descriptor()); // nobody reads it any more
  if (!events_.watch(helper.descriptor(), interest::read, nullptr))
    return;
  while (!helper.has_ended() && next_end_signal().number == 0)
    std::ignore = events_.wait(true);
}

caught_signal supervisor::next_end_signal() {
  auto signal = next_signal(signals_);
  for (; signal.number != 0; signal = next_signal(signals_)) {
    if (signal.number == SIGINT || signal.number == SIGTERM)
      break;
    hang_up_ = true;
  }
  return signal;
}

bool supervisor::is_time_to_reload() {
  const auto now = boot_now();
  const auto look_again = [this](time_point at) {
    reload_at_ = at;
    events_.set_deadline(at);
    return false;
  };
  if (file_ && file_->read()) {
    retries_ = 0;
    return look_again(now + rest_before_reload);
  }
  if (!reload_at_ || *reload_at_ > now)
    return false;
  if (!hang_up_ && !can_open(path_) && retries_++ < most_retries)
    return look_again(now + pause_before_retry);
  return true;
}

} // namespace weft
