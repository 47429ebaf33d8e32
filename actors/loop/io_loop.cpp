#include "actors/loop/io_loop.hpp"

#include "platform/run_delay.hpp"
#include "platform/thread.hpp"

#include <system_error>

namespace weft {

result<std::shared_ptr<io_loop>>
io_loop::start(caf::actor_system& system, const std::string& name,
               loop_sources from) {
  auto events = poller::open();
  if (!events)
    return tl::unexpected(events.error());
  auto loop
    = std::make_shared<io_loop>(system, std::move(*events), std::move(from));
  system.inc_detached_threads();
  try {
    loop->spawn_thread(name);
  } catch (const std::system_error& error) {
    system.dec_detached_threads();
    return tl::unexpected(
      make_system_error(error.code().value(), "cannot start thread " + name));
  }
  return loop;
}

void io_loop::spawn_thread(std::string name) {
  std::thread([loop = shared_from_this(), name = std::move(name)]() mutable {
    auto& home = loop->system();
    enter_service_thread(name);
    home.thread_started();
    loop->run();
    loop.reset();
    home.thread_terminates();
    home.dec_detached_threads();
  }).detach();
}

io_loop::io_loop(caf::actor_system& system, poller events, loop_sources from)
  : caf::execution_unit(&system), from_(std::move(from)),
    events_(std::move(events)) {
}

io_loop::~io_loop() {
  from_.clock->wake_at(events_, std::nullopt);
}

void io_loop::exec_later(caf::resumable* job) {
  if (job->subtype() != caf::resumable::io_actor) {
    // It may be an actor of another system than this loop's.
    const auto* actor = dynamic_cast<caf::local_actor*>(job);
    auto& home = actor != nullptr ? actor->home_system() : system();
    home.scheduler().enqueue(job);
  } else if (on_loop_thread()) {
    jobs_.push(job);
  } else if (jobs_.push_from_outside(job)) {
    events_.wake();
  }
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

// -- a turn ------------------------------------------------------------------

bool io_loop::turn(bool block) {
  const auto ran = jobs_.run(*this);
  const auto was_told = look_at_descriptors(block);
  return look_at_time() || ran || was_told;
}

bool io_loop::look_at_descriptors(bool block) {
  const auto next = deadlines_.next();
  if (next != wakes_at_) {
    wakes_at_ = next;
    from_.clock->wake_at(events_, next);
  }
  const auto may_wait = jobs_.may_wait() && !(stopping_ && actors_ == 0);
  const auto ready = events_.wait(block && may_wait);
  if (block && may_wait)
    wakes_at_.reset(); // it may have woken a little too early
  jobs_.has_waited();
  for (const auto& event : ready) {
    const auto fd
      = static_cast<int>(reinterpret_cast<std::intptr_t>(event.tag)); // NOLINT
    dispatch(fd, event);
  }
  return !ready.empty();
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

bool io_loop::look_at_time() {
  if (!deadlines_.next() || !deadlines_.call_due(now()))
    return false;
  wakes_at_.reset(); // the wait that it ended was its last
  return true;
}

void io_loop::enter() {
  thread_id_ = std::this_thread::get_id();
  thread_number_ = own_thread_number();
}

void io_loop::run() {
  enter();
  while (!finished())
    turn(true);
}

bool io_loop::finished() {
  return stopping_ && actors_ == 0 && jobs_.is_empty();
}

} // namespace weft
