#include "actors/loop/io_loop.hpp"
#include "platform/clock.hpp"
#include "tests/actors/descriptors.hpp"

#include <sys/socket.h>

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
