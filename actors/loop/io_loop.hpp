// One thread, one epoll set, one run queue, and it is a CAF execution unit:
// actors hosted here run here and nowhere else, to completion, and a message
// between two of them costs neither a lock nor a wake-up.
#pragma once

#include "messages/errors.hpp"
#include "platform/epoll.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

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

class io_loop final : public caf::execution_unit,
                      public std::enable_shared_from_this<io_loop> {
public:
  /// Starts the loop's thread, which `system` waits for at its end.
  static result<std::shared_ptr<io_loop>>
  start(caf::actor_system& system, std::string name);

  io_loop(caf::actor_system& system, poller events);

  // -- from any thread --

  /// caf::execution_unit: takes an actor that has messages.
  void exec_later(caf::resumable* job) override;

  /// Lets the loop end once no actor lives on it.
  void stop();

  /// An actor was hosted here, or ended.
  void actor_started();
  void actor_ended();

  // -- from the loop's thread --

  bool on_loop_thread() const {
    return std::this_thread::get_id() == thread_id_.load();
  }
  result<void> watch(int fd, interest what, descriptor_handler* handler);
  void forget(int fd);
  /// Calls `handler` once `when` has passed; one deadline a loop.
  void
  set_deadline(std::optional<time_point> when, std::function<void()> handler);

private:
  void spawn_thread(caf::actor_system& system, std::string name);
  void run();
  void run_jobs();
  void run_job(caf::resumable* job);
  void take_remote_jobs();
  void check_deadline();
  void dispatch(int fd, const poller::ready& event);
  bool finished();

  poller events_;
  std::atomic<std::thread::id> thread_id_;
  std::deque<caf::resumable*> local_;
  std::unordered_map<int, descriptor_handler*> handlers_;
  std::optional<time_point> deadline_;
  std::function<void()> on_deadline_;

  std::mutex mutex_; ///< guards what other threads hand in
  std::vector<caf::resumable*> remote_;
  std::vector<caf::resumable*> taken_;
  std::atomic<bool> parked_{false};
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

private:
  io_loop_ptr loop_;
};

} // namespace weft
