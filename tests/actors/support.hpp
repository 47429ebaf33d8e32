// What the tests of actors/ share: an actor system with I/O loops that ends
// with the test, and fakes that record what the actor under test sends them.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "tests/actors/manual_loop.hpp"
#include "tests/actors/message_log.hpp"
#include "tests/catch.hpp"

#include <caf/all.hpp>
#include <pthread.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <future>
#include <typeindex>

namespace weft::test {

/// Runs on the thread of whoever receives it.
struct work {
  std::function<void()> action;
};

} // namespace weft::test

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::test::work)

namespace weft::test {

/// Runs `action` within an actor and returns what it returns.
template <class Handle, class Action>
auto run_in(const Handle& actor, Action action) {
  using value = decltype(action());
  auto task = std::make_shared<std::packaged_task<value()>>(std::move(action));
  auto done = task->get_future();
  caf::anon_send(actor, work{[task] { (*task)(); }});
  const auto is_done = [&] {
    return done.wait_for(std::chrono::seconds{}) == std::future_status::ready;
  };
  if (while_waiting)
    std::ignore = eventually(is_done);
  else
    done.wait_for(patience);
  if (!is_done())
    FAIL("an actor does not run what it was given");
  return done.get();
}

/// Lives on a loop and runs what the test gives it there.
class loop_worker : public hosted<caf::event_based_actor> {
public:
  using hosted::hosted;
  caf::behavior make_behavior() override {
    return {[](const work& given) { given.action(); }};
  }
};

/// An I/O loop and the means to look into it.
struct test_loop {
  io_loop_ptr loop;
  caf::actor worker;

  template <class Action>
  auto run(Action action) const {
    return run_in(worker, std::move(action));
  }
  /// The clock that measures the CPU time of the loop's thread.
  clockid_t cpu_clock() const {
    return run([] {
      clockid_t clock{};
      pthread_getcpuclockid(pthread_self(), &clock);
      return clock;
    });
  }
  /// Whether nothing is left to do, so that it waits.
  bool falls_asleep() const {
    if (const auto by_hand = std::dynamic_pointer_cast<manual_loop>(loop))
      return by_hand->settles();
    const auto thread = run([] { return gettid(); });
    return eventually([thread] { return is_asleep(thread); });
  }

private:
  /// Whether a thread waits, at each of many looks, and was not woken in
  /// between.
  static bool is_asleep(pid_t thread) {
    constexpr int looks = 200;
    std::optional<std::string> waits;
    for (int look = 0; look < looks; ++look) {
      std::ifstream status("/proc/self/task/" + std::to_string(thread)
                           + "/status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("State:")
            && line.find("sleeping") == std::string::npos)
          return false;
        if (!line.starts_with("voluntary_ctxt_switches:"))
          continue;
        if (waits && waits != line)
          return false;
        waits = line;
      }
    }
    return waits.has_value();
  }
};

/// Who runs the actors of a world's loop, and turns its clock.
enum class run_by : std::uint8_t { thread, hand };

/// An actor system; what was spawned with it ends when it ends.  Run by hand,
/// it has one loop, where fakes live too: what happens, happens on the test's
/// thread while that waits for something, or in settle() and advance().
class world {
public:
  using preparation = std::function<void(caf::actor_system_config&)>;

  explicit world(run_by whom = run_by::thread) : world(preparation{}, whom) {
  }
  /// `prepare` may load modules and add types.
  explicit world(const preparation& prepare, run_by whom = run_by::thread)
    : config_(prepare), system_(config_), self_(system_) {
    if (whom == run_by::thread)
      return;
    by_hand_ = std::make_shared<manual_loop>(system_,
                                             std::make_shared<manual_clock>());
    while_waiting = [loop = by_hand_.get()] { loop->work(); };
  }
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  ~world() {
    for (auto& end : endings_)
      end();
    for (auto& stop : stops_)
      stop();
    if (by_hand_) {
      std::ignore = eventually([this] { return by_hand_->is_empty(); });
      while_waiting = nullptr;
    }
  }

  /// Null: it has threads.
  const std::shared_ptr<manual_loop>& by_hand() const {
    return by_hand_;
  }
  /// Lets everything happen that does at this time.
  void settle() const {
    REQUIRE(by_hand_->settles());
  }
  void advance(duration by) const {
    by_hand_->advance(by);
  }

  caf::actor_system& system() {
    return system_;
  }
  caf::scoped_actor& self() {
    return self_;
  }

  template <class Handle>
  void ends_with_test(const Handle& actor) {
    endings_.emplace_back(
      [actor] { caf::anon_send_exit(actor, caf::exit_reason::user_shutdown); });
  }

  template <class Actor, class... Arguments>
  auto spawn(Arguments&&... arguments) {
    auto actor = system_.spawn<Actor>(std::forward<Arguments>(arguments)...);
    ends_with_test(actor);
    return actor;
  }
  test_loop start_loop(const std::string& name = "test-loop") {
    if (by_hand_)
      return {by_hand_, spawn<loop_worker>(by_hand_)};
    auto started = io_loop::start(system_, name);
    REQUIRE(started);
    stops_.emplace_back([loop = *started] { loop->stop(); });
    return {*started, spawn<loop_worker>(*started)};
  }

  /// The answer to `message`, or the error.
  template <class R, class Handle, class Message>
  tl::expected<R, caf::error> try_ask(const Handle& actor, Message message) {
    std::optional<tl::expected<R, caf::error>> got;
    auto asked = self_->request(actor, patience, std::move(message));
    await_mail();
    asked.receive([&](R& answer) { got.emplace(std::move(answer)); },
                  [&](caf::error& error) {
                    got.emplace(tl::unexpected(std::move(error)));
                  });
    return std::move(*got);
  }
  template <class R, class Handle, class Message>
  R ask(const Handle& actor, Message message) {
    auto answer = try_ask<R>(actor, std::move(message));
    if (!answer)
      FAIL(system_.render(answer.error()));
    return std::move(*answer);
  }
  /// As above, where the answer has no content.
  template <class Handle, class Message>
  caf::error command(const Handle& actor, Message message) {
    caf::error failure;
    auto asked = self_->request(actor, patience, std::move(message));
    await_mail();
    asked.receive([] {},
                  [&](caf::error& error) { failure = std::move(error); });
    return failure;
  }

  /// Waits until `actor` ends, and returns why.
  template <class Handle>
  caf::error await_end(const Handle& actor) {
    caf::error reason;
    self_->monitor(actor);
    await_mail();
    self_->receive([&](caf::down_msg& down) { reason = down.reason; },
                   caf::after(patience) >> [] { FAIL("it does not end"); });
    return reason;
  }
  template <class Handle>
  caf::error end(const Handle& actor,
                 caf::error reason = caf::exit_reason::user_shutdown) {
    caf::anon_send(caf::actor_cast<caf::actor>(actor),
                   caf::exit_msg{self_->address(), std::move(reason)});
    return await_end(actor);
  }

private:
  struct configuration : caf::actor_system_config {
    explicit configuration(const preparation& prepare) {
      set("scheduler.policy", caf::atom("sharing"));
      set("scheduler.max-threads", std::size_t{1});
      if (prepare)
        prepare(*this);
    }
  };

  /// Until a message is there for who asks.
  void await_mail() {
    if (by_hand_)
      std::ignore = eventually([this] { return self_->has_next_message(); });
  }

  configuration config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  std::shared_ptr<manual_loop> by_hand_;
  std::vector<std::function<void()>> endings_;
  std::vector<std::function<void()>> stops_;
};

template <class Signatures, class T>
struct answer_to;
template <class T, class R, class... More>
struct answer_to<
  caf::detail::type_list<
    caf::typed_mpi<caf::detail::type_list<T>, caf::output_tuple<R>>, More...>,
  T> {
  using type = R;
};
template <class Other, class... More, class T>
struct answer_to<caf::detail::type_list<Other, More...>, T>
  : answer_to<caf::detail::type_list<More...>, T> {};

/// Stands in for an actor of the interface `Handle`: it records every message,
/// in order, and answers requests with a default, or does what it is told.
template <class Handle>
class fake {
public:
  using extended =
    typename Handle::template extend<caf::replies_to<work>::with<void>>;
  template <class T>
  using answer = typename answer_to<typename Handle::signatures, T>::type;

  explicit fake(world& home,
                message_log_ptr log = std::make_shared<message_log>())
    : home_(home), state_(std::make_shared<state>()) {
    state_->log = std::move(log);
    if (home.by_hand())
      actor_ = home.system().template spawn<on_loop>(home.by_hand(), state_);
    else
      actor_ = home.system().spawn(
        [state = state_](typename extended::pointer self) {
          state->self = self;
          return make_behavior(state, typename extended::signatures{});
        });
    home.ends_with_test(actor_);
  }

  Handle handle() const {
    return actor_;
  }
  operator Handle() const { // NOLINT: it stands in for it
    return actor_;
  }

  /// Calls `action` for messages of type T instead of recording them.
  template <class T>
  void on(std::function<caf::result<answer<T>>(const T&)> action) {
    run_in(actor_, [&] { state_->actions[typeid(T)] = std::move(action); });
  }

  template <class T>
  T next() {
    return state_->log->template next<T>();
  }
  /// How many messages of a type were recorded and not taken yet.
  template <class T>
  std::size_t count() {
    return state_->log->template count<T>();
  }
  /// Takes all that were recorded.
  template <class T>
  std::vector<T> take() {
    return state_->log->template take<T>();
  }
  /// Waits until all that was sent to it so far is recorded.
  void settle() {
    run_in(actor_, [] {});
  }
  template <class Action>
  auto run(Action action) {
    return run_in(actor_, std::move(action));
  }
  /// To be used within run() and on() only.
  typename extended::pointer self() const {
    return state_->self;
  }
  void end() {
    home_.end(actor_);
  }

private:
  struct state {
    message_log_ptr log;
    typename extended::pointer self = nullptr;
    std::unordered_map<std::type_index, std::any> actions;

    template <class T, class R>
    caf::result<R> handle(const T& message) {
      using action = std::function<caf::result<R>(const T&)>;
      if (const auto found = actions.find(typeid(T)); found != actions.end())
        return std::any_cast<action&>(found->second)(message);
      if constexpr (std::is_same_v<T, work>)
        message.action();
      else
        log->push(message);
      if constexpr (std::is_void_v<R>)
        return caf::unit;
      else
        return R{};
    }
  };

  template <class T, class R>
  static auto
  handler(std::shared_ptr<state> to,
          caf::typed_mpi<caf::detail::type_list<T>, caf::output_tuple<R>>) {
    return
      [to](const T& message) { return to->template handle<T, R>(message); };
  }
  template <class... Signatures>
  static typename extended::behavior_type
  make_behavior(const std::shared_ptr<state>& to,
                caf::detail::type_list<Signatures...>) {
    return {handler(to, Signatures{})...};
  }

  /// The same in a world that is run by hand.
  class on_loop : public hosted<typename extended::base> {
  public:
    on_loop(caf::actor_config& config, io_loop_ptr loop,
            std::shared_ptr<state> to)
      : hosted<typename extended::base>(config, std::move(loop)),
        to_(std::move(to)) {
    }
    typename extended::behavior_type make_behavior() override {
      to_->self = this;
      return fake::make_behavior(to_, typename extended::signatures{});
    }

  private:
    std::shared_ptr<state> to_;
  };

  world& home_;
  std::shared_ptr<state> state_;
  extended actor_;
};

} // namespace weft::test
