#include "tests/actors/support.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("A scheduled actor of another system is run by its own scheduler") {
  message_log seen;
  world home;
  world away;
  const auto loop = home.start_loop();
  const auto stranger
    = away.system().spawn([&](caf::event_based_actor*) -> caf::behavior {
        return {[&](int) { seen.push(std::this_thread::get_id()); }};
      });
  away.ends_with_test(stranger);
  caf::anon_send(stranger, 1); // from here, its scheduler has it
  const auto own = seen.next<std::thread::id>();
  for (int i = 0; i < 100; ++i) {
    loop.run([&] { caf::anon_send(stranger, 1); });
    caf::anon_send(loop.worker,
                   work{[stranger] { caf::anon_send(stranger, 1); }});
  }
  for (int i = 0; i < 200; ++i)
    CHECK(seen.next<std::thread::id>() == own);
}

TEST_CASE("A hosted actor that sends to another system lets that one run it") {
  message_log seen;
  world home;
  world away;
  const auto loop = home.start_loop();
  const auto stranger
    = away.system().spawn([&](caf::event_based_actor*) -> caf::behavior {
        return {[&](int number) {
          seen.push(std::this_thread::get_id());
          return number + 1;
        }};
      });
  away.ends_with_test(stranger);
  caf::anon_send(stranger, 1);
  const auto own = seen.next<std::thread::id>();
  // The sender's context is the loop.
  class asker final : public hosted<caf::event_based_actor> {
  public:
    asker(caf::actor_config& config, io_loop_ptr on, caf::actor whom,
          message_log& answers)
      : hosted(config, std::move(on)), whom_(std::move(whom)),
        answers_(answers) {
    }
    caf::behavior make_behavior() override {
      return {[this](int number) {
        request(whom_, caf::infinite, number).then([this](int answer) {
          answers_.push(answer);
        });
      }};
    }

  private:
    caf::actor whom_;
    message_log& answers_;
  };
  message_log answers;
  const auto one = home.spawn<asker>(loop.loop, stranger, answers);
  for (int i = 0; i < 50; ++i) {
    caf::anon_send(one, i);
    CHECK(answers.next<int>() == i + 1);
    CHECK(seen.next<std::thread::id>() == own);
  }
}
