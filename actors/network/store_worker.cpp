#include "actors/network/store_worker.hpp"

#include "platform/store/back_off.hpp"
#include "platform/thread.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// Until a store that could not be opened is tried again.
constexpr std::chrono::seconds longest_pause{10};
/// A store that was of use for so long is opened anew soon.
constexpr std::chrono::seconds of_use{60};
constexpr std::chrono::milliseconds first_rest{500};
constexpr std::chrono::seconds longest_rest{30};
/// So often a watch tells how far it has come.
constexpr std::chrono::seconds watch_patience{1};

/// What a store's library may throw is an error like others.
template <class Call>
auto guarded(Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::exception& thrown) {
    return tl::unexpected(store_error{
      store_failure::unavailable,
      std::string{"The store failed unexpectedly: "} + thrown.what()});
  }
}

} // namespace

store_worker::store_worker(opener open, teller tell, loop_sources from)
  : open_(std::move(open)), tell_(std::move(tell)), from_(std::move(from)),
    calls_([this] { run_calls(); }), follows_([this] { run_watch(); }) {
}

store_worker::~store_worker() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
    if (watch_)
      watch_->cancel();
    if (to_cancel_ != nullptr)
      to_cancel_->cancel();
  }
  changed_.notify_all();
  follows_.join();
  calls_.join();
}

bool store_worker::pause(std::chrono::milliseconds how_long) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, how_long, [this] { return stopping_; });
}

// -- calls -------------------------------------------------------------------

void store_worker::ask(job what) {
  {
    const std::lock_guard guard(mutex_);
    jobs_.push_back(std::move(what));
  }
  changed_.notify_all();
}

void store_worker::list(store_range range) {
  ask([this, range = std::move(range)](usable_store& on) {
    tell_(store_listed{guarded([&] { return on.store->list(range); })});
  });
}

void store_worker::change(store_change change) {
  ask([this, change = std::move(change)](usable_store& on) {
    tell_(store_changed{guarded([&] { return on.store->change(change); })});
  });
}

void store_worker::renew_id() {
  ask([this](usable_store& on) {
    tell_(store_renamed{guarded([&] { return on.store->renew_id(); })});
  });
}

void store_worker::attend(std::string value) {
  ask([this, value = std::move(value)](usable_store& on) {
    auto kept = guarded([&] { return on.store->keep_present(value); });
    if (!kept)
      tell_(store_attended{tl::unexpected(std::move(kept.error()))});
    else
      tell_(store_attended{guarded([&] { return on.store->present(); })});
  });
}

void store_worker::back_up(std::string path, std::uint64_t number) {
  ask([this, path = std::move(path), number](usable_store& on) {
    if (on.back_up) {
      tell_(store_backed_up{number, guarded([&] { return on.back_up(path); })});
      return;
    }
    tell_(store_backed_up{
      number, tl::unexpected(store_error{
                store_failure::refused,
                "The store is in etcd, which has backups of its own: use "
                "`etcdctl snapshot save`"})});
  });
}

void store_worker::compact(store_revision revision) {
  ask([this, revision](usable_store& on) {
    tell_(
      store_compacted{guarded([&] { return on.store->compact(revision); })});
  });
}

void store_worker::open_anew() {
  ask([this](usable_store&) { opens_anew_ = true; });
}

std::uint64_t store_worker::watch(store_revision from) {
  std::uint64_t number = 0;
  {
    const std::lock_guard guard(mutex_);
    number = ++last_watch_;
  }
  ask(
    [this, number, from](usable_store& on) { start_watch(on, number, from); });
  return number;
}

bool store_worker::open() {
  back_off pauses(*from_.random);
  std::chrono::milliseconds waits{0};
  for (;;) {
    auto opened = guarded([&] { return open_(); });
    if (opened) {
      const std::lock_guard guard(mutex_);
      store_ = std::move(*opened);
      to_cancel_ = store_.store.get();
      if (stopping_)
        return false;
      break;
    }
    tell_(store_missing{std::move(opened.error())});
    waits = std::min<std::chrono::milliseconds>(waits + pauses.next(),
                                                longest_pause);
    if (!pause(waits))
      return false;
  }
  opened_at_ = from_.clock->now();
  tell_(store_opened{store_.store->id()});
  return true;
}

/// A watch must have ended when its store does.
void store_worker::close() {
  end_watch();
  const std::lock_guard guard(mutex_);
  to_cancel_ = nullptr;
  store_ = {};
}

/// Two directories of one name would otherwise take the store from each other
/// without a pause.
bool store_worker::rest_before_opening() {
  const bool was_of_use = from_.clock->now() >= opened_at_ + of_use;
  rests_ = was_of_use
             ? first_rest
             : std::clamp<std::chrono::milliseconds>(2 * rests_, first_rest,
                                                     longest_rest);
  return pause(rests_);
}

std::optional<store_worker::job> store_worker::next_job() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
  if (stopping_)
    return std::nullopt;
  auto first = std::move(jobs_.front());
  jobs_.pop_front();
  return first;
}

void store_worker::run_calls() {
  enter_service_thread("weft-store");
  bool is_open = open();
  while (is_open) {
    const auto what = next_job();
    if (!what)
      break;
    (*what)(store_);
    if (std::exchange(opens_anew_, false)) {
      close();
      is_open = rest_before_opening() && open();
    }
  }
  close();
}

// -- the watch ---------------------------------------------------------------

void store_worker::start_watch(usable_store& from, std::uint64_t number,
                               store_revision revision) {
  end_watch();
  auto begun = guarded([&] { return from.store->watch({}, revision); });
  if (!begun) {
    tell_(store_told{number, tl::unexpected(std::move(begun.error()))});
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    watch_ = std::move(*begun);
    watch_number_ = number;
    if (stopping_)
      watch_->cancel();
  }
  changed_.notify_all();
}

void store_worker::end_watch() {
  std::shared_ptr<store_watch> ending;
  {
    std::unique_lock lock(mutex_);
    if (watch_)
      watch_->cancel();
    ending = std::exchange(watch_, nullptr);
    changed_.wait(lock, [this] { return !following_; });
  }
  // It ends here, when no call of it is under way.
}

void store_worker::run_watch() {
  enter_service_thread("weft-watch");
  for (;;) {
    std::shared_ptr<store_watch> watch;
    std::uint64_t number = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || watch_ != nullptr; });
      if (stopping_)
        return;
      watch = watch_;
      number = watch_number_;
      following_ = true;
    }
    follow(*watch, number);
    {
      const std::lock_guard guard(mutex_);
      if (watch_ == watch)
        watch_.reset();
      watch.reset();
      following_ = false;
    }
    changed_.notify_all();
  }
}

/// Until it is cancelled, or of no more use.
void store_worker::follow(store_watch& watch, std::uint64_t number) {
  back_off pauses(*from_.random);
  store_revision told = 0;
  bool fails = true; ///< or that was told last
  for (;;) {
    auto news = guarded([&] { return watch.wait(watch_patience); });
    if (news) {
      pauses.reset();
      const auto through = news->through;
      if (!news->events.empty() || fails || told != through)
        tell_(store_told{number, std::move(news)});
      told = through;
      fails = false;
      continue;
    }
    const auto failure = news.error().failure;
    if (failure == store_failure::cancelled)
      return;
    fails = true;
    tell_(store_told{number, std::move(news)});
    if (failure == store_failure::history_lost || !pause(pauses.next()))
      return;
  }
}

} // namespace weft
