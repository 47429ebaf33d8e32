#include "actors/loop/io_loop.hpp"
#include "tests/actors/descriptors.hpp"

#include <sys/socket.h>

#include <functional>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

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

TEST_CASE("By the host's clock a deadline fires once, when it has passed") {
  message_log fired;
  world home;
  const auto here = home.start_loop();
  for (const auto wait : {-1h, 0h}) {
    const auto when = boot_now() + wait + 3ms;
    here.run(
      [&, when] { here.loop->call_at(when, [&] { fired.push(boot_now()); }); });
    CHECK(fired.next<time_point>() >= when);
    CHECK(here.falls_asleep());
    CHECK(fired.count<time_point>() == 0);
  }
}

TEST_CASE("A loop that sleeps wakes when its clock is turned, and not before") {
  const auto clock = std::make_shared<manual_clock>();
  message_log fired;
  world home;
  auto started = io_loop::start(home.system(), "by-hand", {clock});
  REQUIRE(started);
  const auto loop = *started;
  const test_loop here{loop, home.spawn<loop_worker>(loop)};
  loop->stop(); // once its actor has ended
  here.run([&] {
    loop->call_at(loop->now() + 1h, [&] { fired.push(1); });
    loop->call_at(loop->now() + 2h, [&] { fired.push(2); });
  });
  clock->advance(1h - 1ns);
  CHECK(here.falls_asleep());
  CHECK(fired.count<int>() == 0);
  clock->advance(1ns);
  CHECK(fired.next<int>() == 1);
  clock->advance(5h);
  CHECK(fired.next<int>() == 2);
}

namespace {

/// Keeps deadlines that record their number, and may throw.
class waiting : public hosted<caf::event_based_actor> {
public:
  waiting(caf::actor_config& config, io_loop_ptr loop, message_log& fired)
    : hosted(config, std::move(loop)), fired_(fired) {
  }
  caf::behavior make_behavior() override {
    return {
      [this](duration wait, int number) {
        last_ = call_at(loop().now() + wait, [this, number] {
          fired_.push(number);
          if (number < 0)
            throw std::runtime_error("broken");
        });
      },
      [this](bool) { call_off(last_); },
    };
  }

private:
  message_log& fired_;
  deadline_id last_;
};

} // namespace

TEST_CASE("What an actor waits for happens in its order, unless the actor "
          "calls it off or ends") {
  message_log fired;
  world home(run_by::hand);
  const auto here = home.start_loop();
  const auto first = home.spawn<waiting>(here.loop, std::ref(fired));
  const auto second = home.spawn<waiting>(here.loop, std::ref(fired));
  caf::anon_send(first, duration{3s}, 3);
  caf::anon_send(second, duration{1s}, 1);
  caf::anon_send(first, duration{2s}, 2);
  caf::anon_send(second, duration{2s}, 4);
  caf::anon_send(second, true); // calls the one at 2 s off
  home.advance(2s);
  CHECK(fired.take<int>() == std::vector{1, 2});
  home.end(first);
  home.advance(1h);
  CHECK(fired.count<int>() == 0);
}

TEST_CASE("An actor whose deadline throws ends alone") {
  message_log fired;
  world home(run_by::hand);
  const auto here = home.start_loop();
  const auto broken = home.spawn<waiting>(here.loop, std::ref(fired));
  const auto sound = home.spawn<waiting>(here.loop, std::ref(fired));
  caf::anon_send(broken, duration{1s}, -1);
  caf::anon_send(sound, duration{1s}, 1);
  home.advance(1s);
  CHECK(fired.take<int>() == std::vector{-1, 1});
  CHECK(home.await_end(broken) == caf::exit_reason::unhandled_exception);
}
