// One thread that runs actors: a run queue, deadlines and an epoll set, and it
// is a CAF execution unit.  Actors hosted here run here and nowhere else, to
// completion, and a message between two of them costs neither a lock nor a
// wake-up.  What they know of time and chance they have from here.
#pragma once

#include "actors/loop/deadline_queue.hpp"
#include "actors/loop/loop_sources.hpp"
#include "actors/loop/run_queue.hpp"
#include "messages/errors.hpp"
#include "platform/epoll.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

namespace weft {

/// Told when a descriptor that it watches is ready, on the loop's thread.
class descriptor_handler {
public:
  virtual void ready(bool readable, bool writable) = 0;
  /// ready() threw.  The loop no longer watches the descriptor.
  virtual void failed() = 0;

protected:
  ~descriptor_handler() = default;
};

class io_loop : public caf::execution_unit,
                public std::enable_shared_from_this<io_loop> {
public:
  /// Starts a loop with a thread of its own, which `system` waits for at its
  /// end.
  static result<std::shared_ptr<io_loop>>
  start(caf::actor_system& system, const std::string& name,
        loop_sources from = {});

  /// A loop that has no thread yet.
  io_loop(caf::actor_system& system, poller events, loop_sources from);
  ~io_loop() override;

  // -- from any thread --

  /// caf::execution_unit: takes an actor that has messages.
  void exec_later(caf::resumable* job) override;

  /// Lets the loop end once no actor lives on it.
  void stop();

  /// An actor was hosted here, or ended.
  void actor_started();
  void actor_ended();

  // Each reads the clock anew.
  time_point now() const {
    return from_.clock->now();
  }
  wall_time wall() const {
    return from_.clock->wall();
  }
  instant moment() const {
    return from_.clock->moment();
  }
  /// The kernel's number of its thread; 0: it has not begun.
  int thread_number() const {
    return thread_number_.load();
  }
  /// The same clock, for who lives elsewhere.
  const std::shared_ptr<loop_clock>& clock() const {
    return from_.clock;
  }

  // -- from the loop's thread --

  bool on_loop_thread() const {
    return std::this_thread::get_id() == thread_id_.load();
  }
  random_source& random() const {
    return *from_.random;
  }
  result<void> watch(int fd, interest what, descriptor_handler* handler);
  void forget(int fd);

  /// Calls `action` once `when` has passed, after what has happened to
  /// descriptors by then.  `owner` is whoever is meant by call_off_all().
  deadline_id call_at(time_point when, std::function<void()> action,
                      const void* owner = nullptr) {
    return deadlines_.add(when, owner, std::move(action));
  }
  void call_off(const deadline_id& which) {
    deadlines_.remove(which);
  }
  void call_off_all(const void* owner) {
    deadlines_.remove_all(owner);
  }

protected:
  // For whoever runs the loop, on one thread.

  /// Makes this thread the loop's.
  void enter();
  /// Runs actors, then looks at descriptors, then at the time.  Waits in
  /// between if there is nothing to run and it may `block`.  Returns whether
  /// anything was done.
  bool turn(bool block);
  std::optional<time_point> next_deadline() const {
    return deadlines_.next();
  }
  std::size_t actors() const {
    return actors_;
  }
  poller& events() {
    return events_;
  }

private:
  void spawn_thread(std::string name);
  void run();
  bool look_at_descriptors(bool block);
  bool look_at_time();
  void dispatch(int fd, const poller::ready& event);
  bool finished();

  loop_sources from_;
  poller events_;
  run_queue jobs_;
  deadline_queue deadlines_;
  std::optional<time_point> wakes_at_; ///< what the clock was told last
  std::unordered_map<int, descriptor_handler*> handlers_;
  std::atomic<std::thread::id> thread_id_;
  std::atomic<int> thread_number_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> actors_{0};
};

using io_loop_ptr = std::shared_ptr<io_loop>;

/// Makes an actor class live on an I/O loop: `class x : public
/// hosted<x_actor::base>`.
template <class Base>
class hosted : public Base {
public:
  hosted(caf::actor_config& config, io_loop_ptr loop)
    : Base(config), loop_(std::move(loop)) {
    this->set_exception_handler(error_of_exception);
  }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    Base::enqueue(std::move(what), loop_.get());
  }
  void enqueue(caf::strong_actor_ptr from, caf::message_id id,
               caf::message content, caf::execution_unit*) override {
    Base::enqueue(caf::make_mailbox_element(std::move(from), id, {},
                                            std::move(content)),
                  loop_.get());
  }
  void launch(caf::execution_unit*, bool lazy, bool hide) override {
    loop_->actor_started();
    Base::launch(loop_.get(), lazy, hide);
  }
  caf::resumable::subtype_t subtype() const override {
    return caf::resumable::io_actor;
  }
  bool cleanup(caf::error&& reason, caf::execution_unit* host) override {
    if (!Base::cleanup(std::move(reason), host))
      return false;
    // Elsewhere it has never run, or nobody knows it any more: what it waited
    // for finds nobody.
    if (loop_->on_loop_thread())
      loop_->call_off_all(this);
    loop_->actor_ended();
    return true;
  }

protected:
  /// For descriptor_handler::failed(): ends the actor, which its supervisor
  /// notices.
  void fail() {
    caf::anon_send_exit(this->address(), caf::exit_reason::unhandled_exception);
  }
  io_loop& loop() const {
    return *loop_;
  }
  /// To be called first by whatever runs on the loop without a message.
  void enter_loop_context() {
    this->context(loop_.get());
  }

  /// Calls `action` once `when` has passed, unless the actor has ended; if it
  /// throws, the actor ends.
  template <class Action>
  deadline_id call_at(time_point when, Action action) {
    return loop_->call_at(
      when,
      [this, weak = caf::weak_actor_ptr{this->ctrl()},
       what = std::move(action)]() mutable {
        const auto alive = weak.lock();
        if (!alive)
          return;
        enter_loop_context();
        try {
          what();
        } catch (...) {
          fail();
        }
      },
      this);
  }
  /// Forgets what `which` names, if it names anything.
  void call_off(deadline_id& which) {
    loop_->call_off(std::exchange(which, {}));
  }

private:
  io_loop_ptr loop_;
};

} // namespace weft
