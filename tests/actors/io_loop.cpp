#include "actors/loop/io_loop.hpp"

#include "messages/errors.hpp"
#include "platform/clock.hpp"
#include "tests/actors/descriptors.hpp"

#include <set>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

struct numbered {
  int sender = 0;
  int number = 0;
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
    here.loop->call_at(here.loop->now() + 5ms, [&] { log.push(true); });
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
  CHECK_THAT(error_message(home.await_end(broken)), Catch::Contains("broken"));
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
