#include "actors/io_loop.hpp"

#include "platform/clock.hpp"
#include "tests/actors/support.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

struct numbered {
  int sender = 0;
  int number = 0;
};

/// An eventfd that is closed at the end; readable once it is set.
class signal_descriptor {
public:
  signal_descriptor() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  }
  int get() const {
    return fd_.get();
  }
  void set() const {
    const std::uint64_t one = 1;
    REQUIRE(::write(fd_.get(), &one, sizeof one) == sizeof one);
  }
  void clear() const {
    std::uint64_t value = 0;
    std::ignore = ::read(fd_.get(), &value, sizeof value);
  }

private:
  file_descriptor fd_;
};

/// Records what a loop says of a descriptor.
struct recorder final : descriptor_handler {
  struct event {
    bool readable = false;
    bool writable = false;
    std::thread::id thread;
  };
  struct failure {};

  void ready(bool readable, bool writable) override {
    log.push(event{readable, writable, std::this_thread::get_id()});
    if (action)
      action();
  }
  void failed() override {
    log.push(failure{});
  }

  message_log log;
  std::function<void()> action;
};

/// An actor of a few handlers, made where it lives.
class scripted : public hosted<caf::event_based_actor> {
public:
  using script = std::function<caf::behavior(caf::event_based_actor*)>;
  scripted(caf::actor_config& config, io_loop_ptr loop, script make)
    : hosted(config, std::move(loop)), make_(std::move(make)) {
  }
  caf::behavior make_behavior() override {
    return make_(this);
  }

private:
  script make_;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(numbered)

TEST_CASE("Actors run on their loop's thread and nowhere else") {
  message_log seen;
  world home;
  const auto left = home.start_loop("left");
  const auto right = home.start_loop("right");
  const auto left_id = left.run([] { return std::this_thread::get_id(); });
  const auto right_id = right.run([] { return std::this_thread::get_id(); });
  CHECK(left_id != right_id);
  CHECK(left_id != std::this_thread::get_id());
  CHECK_FALSE(left.loop->on_loop_thread());
  CHECK(left.run([&] { return left.loop->on_loop_thread(); }));

  const auto record = [&](caf::event_based_actor*) -> caf::behavior {
    return {[&](int) { seen.push(std::this_thread::get_id()); }};
  };
  const auto actor = home.spawn<scripted>(left.loop, record);
  const auto scheduled
    = home.system().spawn([&](caf::event_based_actor*) -> caf::behavior {
        return {[actor](int number) { caf::anon_send(actor, number); }};
      });
  home.ends_with_test(scheduled);
  constexpr int rounds = 500;
  for (int i = 0; i < rounds; ++i) {
    caf::anon_send(actor, i);     // from this thread
    caf::anon_send(scheduled, i); // from the scheduler
    caf::anon_send(right.worker,
                   work{[actor, i] { caf::anon_send(actor, i); }});
    caf::anon_send(left.worker, work{[actor, i] { caf::anon_send(actor, i); }});
  }
  std::set<std::thread::id> threads;
  for (int i = 0; i < 4 * rounds; ++i)
    threads.insert(seen.next<std::thread::id>());
  CHECK(threads == std::set<std::thread::id>{left_id});
}

TEST_CASE("Messages of one sender keep their order, whatever thread it is on") {
  constexpr int count = 5000;
  constexpr int senders = 4;
  std::array<int, senders> last{};
  message_log log;
  int missing = senders * count;
  bool ordered = true;
  world home;
  const auto here = home.start_loop("here");
  const auto there = home.start_loop("there");
  const auto receiver = home.spawn<scripted>(
    here.loop, [&](caf::event_based_actor*) -> caf::behavior {
      return {[&](const numbered& message) {
        auto& before = last.at(static_cast<std::size_t>(message.sender));
        ordered = ordered && message.number == before + 1;
        before = message.number;
        if (--missing == 0)
          log.push(true);
      }};
    });
  const auto send_all = [receiver](int sender) {
    for (int i = 1; i <= count; ++i)
      caf::anon_send(receiver, numbered{sender, i});
  };
  caf::anon_send(here.worker, work{[=] { send_all(0); }});
  caf::anon_send(there.worker, work{[=] { send_all(1); }});
  std::thread other([=] { send_all(2); });
  send_all(3);
  other.join();
  log.next<bool>();
  CHECK(ordered);
}

TEST_CASE("Two actors on one loop answer each other, and others in between") {
  message_log log;
  world home;
  const auto here = home.start_loop();
  const auto player = [&](caf::event_based_actor* self) -> caf::behavior {
    return {[&log, self](const caf::actor& partner, int left) {
      if (left == 0)
        log.push(true);
      else
        self->send(partner, caf::actor_cast<caf::actor>(self), left - 1);
    }};
  };
  const auto a = home.spawn<scripted>(here.loop, player);
  const auto b = home.spawn<scripted>(here.loop, player);
  caf::anon_send(a, b, 100'000);
  log.next<bool>();
}

TEST_CASE("An actor that never runs out of messages starves neither other "
          "actors nor descriptors nor the deadline") {
  bool go_on = true;
  recorder handler;
  const signal_descriptor signal;
  message_log log;
  world home;
  const auto here = home.start_loop();
  const auto greedy = home.spawn<scripted>(
    here.loop, [&](caf::event_based_actor* self) -> caf::behavior {
      return {[&go_on, self](int number) {
        if (go_on)
          self->send(self, number);
      }};
    });
  for (int i = 0; i < 200; ++i)
    caf::anon_send(greedy, i);
  here.run([&] {
    REQUIRE(here.loop->watch(signal.get(), interest::read, &handler));
    here.loop->set_deadline(boot_now() + 5ms, [&] { log.push(true); });
  });
  handler.action = [&] { here.loop->forget(signal.get()); };
  signal.set();
  CHECK(handler.log.next<recorder::event>().readable);
  CHECK(log.next<bool>());
  here.run([&] { go_on = false; });
}

TEST_CASE("A loop sleeps when nothing happens, and wakes for other threads") {
  world home;
  const auto here = home.start_loop();
  for (int round = 0; round < 3; ++round) {
    CHECK(here.falls_asleep());
    CHECK(here.run([] { return 42; }) == 42);
  }
}

TEST_CASE("A loop tells which descriptor can be read or written") {
  recorder handler;
  world home;
  const auto here = home.start_loop();
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data())
          == 0);
  const file_descriptor near{ends[0]};
  const file_descriptor far{ends[1]};
  const auto watch = [&](interest what) {
    here.run(
      [&, what] { REQUIRE(here.loop->watch(near.get(), what, &handler)); });
  };
  char byte = 'x';
  handler.action = [&] {
    std::ignore = ::read(near.get(), &byte, 1);
    std::ignore = here.loop->watch(near.get(), interest::read, &handler);
  };
  watch(interest::read);
  REQUIRE(::write(far.get(), &byte, 1) == 1);
  auto event = handler.log.next<recorder::event>();
  CHECK((event.readable && !event.writable));
  CHECK(event.thread == here.run([] { return std::this_thread::get_id(); }));
  watch(interest::write);
  event = handler.log.next<recorder::event>();
  CHECK((event.writable && !event.readable));
  CHECK(here.falls_asleep()); // it was handled, not reported for ever
  // `none` is silent, and what came meanwhile is told later.
  watch(interest::none);
  REQUIRE(::write(far.get(), &byte, 1) == 1);
  CHECK(here.falls_asleep());
  CHECK(handler.log.count<recorder::event>() == 0);
  watch(interest::both);
  event = handler.log.next<recorder::event>();
  CHECK((event.readable && event.writable));
  here.run([&] { here.loop->forget(near.get()); });
}

TEST_CASE("A descriptor that was forgotten is not heard of any more") {
  recorder handler;
  const signal_descriptor signal;
  world home;
  const auto here = home.start_loop();
  here.run([&] {
    REQUIRE(here.loop->watch(signal.get(), interest::read, &handler));
    here.loop->forget(signal.get());
    here.loop->forget(signal.get()); // twice is harmless
  });
  signal.set();
  CHECK(here.falls_asleep());
  CHECK(handler.log.count<recorder::event>() == 0);
  CHECK_FALSE(here.run([&] {
    return here.loop->watch(-1, interest::read, &handler).has_value();
  }));
}

TEST_CASE("A handler may forget a descriptor whose event is next") {
  std::array<recorder, 2> handlers;
  const std::array<signal_descriptor, 2> signals;
  world home;
  const auto here = home.start_loop();
  for (std::size_t i = 0; i < 2; ++i)
    handlers[i].action = [&] {
      for (const auto& signal : signals)
        here.loop->forget(signal.get());
    };
  here.run([&] {
    for (std::size_t i = 0; i < 2; ++i) {
      signals[i].set();
      REQUIRE(here.loop->watch(signals[i].get(), interest::read, &handlers[i]));
    }
  });
  CHECK(here.falls_asleep());
  CHECK(handlers[0].log.count<recorder::event>()
          + handlers[1].log.count<recorder::event>()
        == 1);
}

TEST_CASE("A handler that throws is told, its descriptor is watched no more, "
          "and the loop goes on") {
  recorder broken;
  recorder sound;
  const signal_descriptor first;
  const signal_descriptor second;
  world home;
  const auto here = home.start_loop();
  broken.action = [] { throw std::runtime_error("broken"); };
  sound.action = [&] { second.clear(); };
  here.run([&] {
    REQUIRE(here.loop->watch(first.get(), interest::read, &broken));
    REQUIRE(here.loop->watch(second.get(), interest::read, &sound));
  });
  first.set();
  broken.log.next<recorder::failure>();
  second.set();
  sound.log.next<recorder::event>();
  CHECK(here.falls_asleep());
  CHECK(broken.log.count<recorder::event>() == 1);
  here.run([&] { here.loop->forget(second.get()); });
}

TEST_CASE("A deadline fires once, when it has passed") {
  message_log fired;
  world home;
  const auto here = home.start_loop();
  for (const auto wait : {-1h, 0h}) {
    const auto when = boot_now() + wait + 3ms;
    here.run([&, when] {
      here.loop->set_deadline(when, [&] { fired.push(boot_now()); });
    });
    CHECK(fired.next<time_point>() >= when);
    CHECK(here.falls_asleep());
    CHECK(fired.count<time_point>() == 0);
  }
}

TEST_CASE("A deadline that was replaced or cancelled does not fire") {
  message_log fired;
  world home;
  const auto here = home.start_loop();
  const auto set = [&](duration after, int number) {
    here.loop->set_deadline(boot_now() + after,
                            [&, number] { fired.push(number); });
  };
  here.run([&] { // later
    set(0ms, 1);
    set(2ms, 2);
  });
  CHECK(fired.next<int>() == 2);
  here.run([&] { // earlier
    set(1h, 3);
    set(1ms, 4);
  });
  CHECK(fired.next<int>() == 4);
  here.run([&] { // the same time with another handler
    const auto when = boot_now() + 1ms;
    here.loop->set_deadline(when, [&] { fired.push(5); });
    here.loop->set_deadline(when, [&] { fired.push(6); });
  });
  CHECK(fired.next<int>() == 6);
  here.run([&] {
    set(1ms, 7);
    here.loop->set_deadline(std::nullopt, nullptr);
  });
  CHECK(here.falls_asleep());
  CHECK(fired.count<int>() == 0);
}

TEST_CASE("The handler of a deadline may set the next one") {
  message_log fired;
  std::function<void(int)> next;
  world home;
  const auto here = home.start_loop();
  next = [&](int number) {
    here.loop->set_deadline(boot_now() + 1ms, [&, number] {
      fired.push(number);
      if (number < 5)
        next(number + 1);
    });
  };
  here.run([&] { next(1); });
  for (int i = 1; i <= 5; ++i)
    CHECK(fired.next<int>() == i);
}

TEST_CASE("A loop that is stopped ends only once its actors have ended") {
  world home;
  auto started = io_loop::start(home.system(), "ending");
  REQUIRE(started);
  auto loop = std::move(*started);
  auto first = home.system().spawn<loop_worker>(loop);
  auto second = home.system().spawn<loop_worker>(loop);
  const std::weak_ptr<io_loop> thread_has_it = loop;
  loop->stop();
  loop.reset();
  CHECK(run_in(first, [] { return 1; }) == 1);
  home.end(first);
  first = nullptr;
  CHECK(run_in(second, [] { return 2; }) == 2);
  CHECK_FALSE(thread_has_it.expired());
  home.end(second);
  second = nullptr;
  CHECK(eventually([&] { return thread_has_it.expired(); }));
}

TEST_CASE("A loop without actors ends when it is stopped, asleep or not") {
  world home;
  for (int i = 0; i < 20; ++i) {
    auto started = io_loop::start(home.system(), "ending");
    REQUIRE(started);
    const std::weak_ptr<io_loop> thread_has_it = *started;
    (*started)->stop();
    started = tl::unexpected(system_error{});
    CHECK(eventually([&] { return thread_has_it.expired(); }));
  }
}

TEST_CASE("An actor that throws ends alone, and whoever watches is told") {
  world home;
  const auto here = home.start_loop();
  const auto make = [](caf::event_based_actor*) -> caf::behavior {
    return {[](int) -> int { throw std::runtime_error("broken"); }};
  };
  const auto broken = home.spawn<scripted>(here.loop, make);
  const auto sound = home.spawn<scripted>(here.loop, make);
  caf::anon_send(broken, 1);
  CHECK(home.await_end(broken) == caf::sec::runtime_error);
  CHECK(here.run([] { return 5; }) == 5);
  CHECK(home.end(sound) == caf::exit_reason::user_shutdown);
}

TEST_CASE("A request to an actor that has ended is answered with an error") {
  world home;
  const auto here = home.start_loop();
  const auto actor = home.spawn<scripted>(
    here.loop, [](caf::event_based_actor*) -> caf::behavior {
      return {[](int number) { return number + 1; }};
    });
  CHECK(home.ask<int>(actor, 1) == 2);
  home.end(actor);
  CHECK_FALSE(home.try_ask<int>(actor, 1));
}
