// `weft top`: who transfers how much, now.
#include "platform/clock.hpp"
#include "platform/epoll.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/live_screen.hpp"
#include "tools/weft/view/top_view.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <mutex>
#include <ostream>
#include <thread>

namespace weft {

namespace {

/// Called with each status that was asked for.
using status_told = std::function<void(outcome<device_status>)>;

/// Asks for the status, page by page, whenever it is told to.
class status_source final : public caf::event_based_actor {
public:
  status_source(caf::actor_config& config, overlay_actor overlay,
                std::chrono::milliseconds timeout, status_told told)
    : caf::event_based_actor(config), overlay_(std::move(overlay)),
      timeout_(timeout), told_(std::move(told)) {
  }

  caf::behavior make_behavior() override {
    return {
      [this](caf::tick_atom) { ask(status_pages{}); },
    };
  }
  void on_exit() override {
    overlay_ = nullptr;
    told_ = nullptr;
  }

private:
  void ask(status_pages so_far) {
    auto pages = std::make_shared<status_pages>(std::move(so_far));
    request(overlay_, timeout_, pages->next())
      .then(
        [this, pages](device_status& page) {
          if (auto added = pages->add(std::move(page)); !added)
            told_(tl::unexpected(std::move(added.error())));
          else if (pages->is_complete())
            told_(pages->take());
          else
            ask(std::move(*pages));
        },
        [this](const caf::error& reason) {
          told_(tl::unexpected(to_failure(reason, timeout_)));
        });
  }

  overlay_actor overlay_;
  std::chrono::milliseconds timeout_;
  status_told told_;
};

/// Where a status is put for the thread that draws.
class status_box {
public:
  explicit status_box(poller waiter) : waiter_(std::move(waiter)) {
  }
  poller& waiter() {
    return waiter_;
  }
  void put(outcome<device_status> status) {
    {
      const std::scoped_lock lock(mutex_);
      status_ = std::move(status);
    }
    waiter_.wake();
  }
  std::optional<outcome<device_status>> take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(status_, std::nullopt);
  }

private:
  poller waiter_;
  std::mutex mutex_;
  std::optional<outcome<device_status>> status_;
};

/// One run of the live screen.
class live_top {
public:
  live_top(const top_options& options, const node_connection& link,
           const overlay_actor& overlay, std::shared_ptr<status_box> box,
           const streams& io, const live_input& input)
    : options_(options), box_(std::move(box)), signals_(*input.signals),
      keys_(input.keys), screen_(io.out, input.screen, input.keys),
      source_(link.system().spawn<status_source>(
        overlay, link.timeout, [box = box_](outcome<device_status> status) {
          box->put(std::move(status));
        })) {
  }
  live_top(const live_top&) = delete;
  live_top& operator=(const live_top&) = delete;
  ~live_top() {
    caf::anon_send_exit(source_, caf::exit_reason::user_shutdown);
  }

  /// Until the user has seen enough, or there is nothing to show.
  std::optional<failure> run() {
    if (auto watched = watch(); !watched)
      return to_failure(watched.error());
    ask();
    while (!over_) {
      for (const auto& ready : box_->waiter().wait(true)) {
        if (ready.tag == this)
          handle_signal();
        else
          handle_key();
      }
      if (auto status = box_->take())
        take(std::move(*status));
      if (next_ && boot_now() >= *next_)
        ask();
    }
    return std::move(trouble_);
  }

private:
  result<void> watch() {
    auto& waiter = box_->waiter();
    auto watched = waiter.watch(signals_.descriptor(), interest::read, this);
    // A file cannot be waited for, and has no keys.
    if (watched && keys_ >= 0)
      std::ignore = waiter.watch(keys_, interest::read, &keys_);
    return watched;
  }

  void ask() {
    asked_ = boot_now();
    next_.reset();
    box_->waiter().set_deadline(std::nullopt);
    caf::anon_send(source_, caf::tick_atom::value);
  }

  void take(outcome<device_status> status) {
    if (status) {
      former_
        = std::exchange(latest_, top_sample{std::move(*status), instant_now()});
      note_.clear();
    } else if (latest_) {
      note_ = status.error().message;
    } else {
      trouble_ = std::move(status.error());
      over_ = true;
      return;
    }
    draw();
    next_ = std::max(asked_ + options_.interval, boot_now());
    box_->waiter().set_deadline(next_);
  }

  void draw() {
    if (latest_)
      screen_.draw(
        format_top(summarize(former_ ? &*former_ : nullptr, *latest_),
                   screen_.size(), view_, note_));
  }

  void handle_signal() {
    switch (signals_.read()) {
      case 0:
        break;
      case SIGWINCH:
        draw();
        break;
      case SIGTSTP:
        screen_.leave();
        std::ignore = std::raise(SIGSTOP);
        screen_.enter();
        draw();
        break;
      default:
        over_ = true;
    }
  }

  void handle_key() {
    std::array<char, 64> typed{};
    const auto count = ::read(keys_, typed.data(), typed.size());
    if (count <= 0)
      box_->waiter().forget(keys_);
    const auto keys
      = std::string_view(typed.data(), typed.size())
          .substr(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    switch (view_.type(keys)) {
      case top_view::wish::quit:
        over_ = true;
        break;
      case top_view::wish::redraw:
        draw();
        break;
      case top_view::wish::nothing:
        break;
    }
  }

  top_options options_;
  std::shared_ptr<status_box> box_;
  const signal_watch& signals_;
  int keys_;
  live_screen screen_;
  top_view view_;
  caf::actor source_;
  std::optional<top_sample> former_;
  std::optional<top_sample> latest_;
  std::string note_;
  time_point asked_{};
  std::optional<time_point> next_;
  std::optional<failure> trouble_;
  bool over_ = false;
};

} // namespace

int show_top_once(const top_options& options, const node_connection& link,
                  const streams& io) {
  std::optional<top_sample> former;
  for (;;) {
    auto status = ask_status(link);
    if (!status)
      return report(status.error(), link.json, io);
    const top_sample latest{std::move(*status), instant_now()};
    if (former) {
      const auto summary = summarize(&*former, latest);
      io.out << (link.json ? format_top_json(summary)
                           : format_top(summary, options.size));
      return exit_fine;
    }
    former = latest;
    std::this_thread::sleep_for(options.interval);
  }
}

int show_top_live(const top_options& options, const node_connection& link,
                  const streams& io, const live_input& input) {
  const auto overlay = link.overlay();
  if (!overlay)
    return report(overlay.error(), link.json, io);
  auto waiter = poller::open();
  if (!waiter)
    return report(to_failure(waiter.error()), link.json, io);
  const auto box = std::make_shared<status_box>(std::move(*waiter));
  std::optional<failure> trouble;
  {
    live_top top(options, link, *overlay, box, io, input);
    trouble = top.run();
  }
  if (trouble)
    return report(*trouble, link.json, io);
  return exit_fine;
}

} // namespace weft
