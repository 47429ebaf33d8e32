#include "actors/loop/io_loop.hpp"

#include "platform/clock.hpp"
#include "platform/thread.hpp"

#include <system_error>

namespace weft {

namespace {

/// Messages that one actor may handle before others have their turn.
constexpr std::size_t max_throughput = 32;

/// Actors that may run before descriptors are looked at again.
constexpr std::size_t max_jobs = 256;

} // namespace

result<std::shared_ptr<io_loop>>
io_loop::start(caf::actor_system& system, std::string name) {
  auto events = poller::open();
  if (!events)
    return tl::unexpected(events.error());
  auto loop = std::make_shared<io_loop>(system, std::move(*events));
  system.inc_detached_threads();
  try {
    loop->spawn_thread(system, name);
  } catch (const std::system_error& error) {
    system.dec_detached_threads();
    return tl::unexpected(
      make_system_error(error.code().value(), "cannot start thread " + name));
  }
  return loop;
}

void io_loop::spawn_thread(caf::actor_system& system, std::string name) {
  std::thread([loop = shared_from_this(), &system,
               name = std::move(name)]() mutable {
    enter_service_thread(name);
    system.thread_started();
    loop->run();
    loop.reset();
    system.thread_terminates();
    system.dec_detached_threads();
  }).detach();
}

io_loop::io_loop(caf::actor_system& system, poller events)
  : caf::execution_unit(&system), events_(std::move(events)) {
}

void io_loop::exec_later(caf::resumable* job) {
  if (job->subtype() != caf::resumable::io_actor) {
    // It may be an actor of another system than this loop's.
    const auto* actor = dynamic_cast<caf::local_actor*>(job);
    auto& home = actor != nullptr ? actor->home_system() : system();
    home.scheduler().enqueue(job);
    return;
  }
  if (on_loop_thread()) {
    local_.push_back(job);
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    remote_.push_back(job);
  }
  if (parked_.exchange(false))
    events_.wake();
}

void io_loop::stop() {
  stopping_ = true;
  events_.wake();
}

void io_loop::actor_started() {
  ++actors_;
}

void io_loop::actor_ended() {
  if (--actors_ == 0 && stopping_)
    events_.wake();
}

result<void>
io_loop::watch(int fd, interest what, descriptor_handler* handler) {
  // The descriptor itself is the tag: an event for one that was forgotten
  // meanwhile finds nobody.
  auto watched = events_.watch(
    fd, what,
    reinterpret_cast<void*>(static_cast<std::intptr_t>(fd))); // NOLINT
  if (watched)
    handlers_[fd] = handler;
  return watched;
}

void io_loop::forget(int fd) {
  if (handlers_.erase(fd) > 0)
    events_.forget(fd);
}

void io_loop::set_deadline(std::optional<time_point> when,
                           std::function<void()> handler) {
  on_deadline_ = std::move(handler);
  if (deadline_ != when) {
    deadline_ = when;
    events_.set_deadline(when);
  }
}

void io_loop::take_remote_jobs() {
  taken_.clear();
  {
    const std::lock_guard guard(mutex_);
    taken_.swap(remote_);
  }
  local_.insert(local_.end(), taken_.begin(), taken_.end());
}

void io_loop::run_job(caf::resumable* job) {
  switch (job->resume(this, max_throughput)) {
    case caf::resumable::resume_later:
      local_.push_back(job);
      break;
    case caf::resumable::shutdown_execution_unit:
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
      intrusive_ptr_release(job);
      break;
  }
}

void io_loop::run_jobs() {
  for (std::size_t i = 0; i < max_jobs && !local_.empty(); ++i) {
    auto* job = local_.front();
    local_.pop_front();
    run_job(job);
  }
}

void io_loop::check_deadline() {
  if (!deadline_ || boot_now() < *deadline_)
    return;
  deadline_.reset();
  events_.set_deadline(std::nullopt);
  if (auto handler = std::exchange(on_deadline_, nullptr))
    handler();
}

bool io_loop::finished() {
  if (!stopping_ || actors_ > 0 || !local_.empty())
    return false;
  const std::lock_guard guard(mutex_);
  return remote_.empty();
}

void io_loop::dispatch(int fd, const poller::ready& event) {
  const auto found = handlers_.find(fd);
  if (found == handlers_.end())
    return;
  auto* handler = found->second;
  try {
    handler->ready(event.readable, event.writable);
  } catch (...) {
    forget(fd);
    handler->failed();
  }
}

void io_loop::run() {
  thread_id_ = std::this_thread::get_id();
  while (!finished()) {
    take_remote_jobs();
    run_jobs();
    auto block = false;
    if (local_.empty()) {
      parked_ = true;
      const std::lock_guard guard(mutex_);
      block = remote_.empty();
    }
    if (block && stopping_ && actors_ == 0)
      block = false;
    const auto events = events_.wait(block);
    parked_ = false;
    for (const auto& event : events) {
      const auto fd = static_cast<int>(
        reinterpret_cast<std::intptr_t>(event.tag)); // NOLINT
      dispatch(fd, event);
    }
    check_deadline();
  }
}

} // namespace weft
