#include "tests/actors/control_support.hpp"

#include <fstream>

using namespace weft;
using namespace weft::test;

namespace {

/// The gateway's time is turned by hand, its clients go by the host's: they are
/// not to seem silent.
gateway_limits watchful() {
  gateway_limits limits;
  limits.frames.silence = 1000h;
  limits.frames.stall = 1000h;
  return limits;
}

/// Threads of this process with a name.
std::size_t threads_named(const std::string& name) {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::string line;
    std::ifstream{entry.path() / "comm"} >> line;
    count += line == name ? 1U : 0U;
  }
  return count;
}

struct watched {
  watched() : server(watchful()) {
    server.overlay.on<check_handshake>(
      [this](const check_handshake&) -> caf::result<bool> {
        facades.push(
          caf::actor_cast<caf::actor>(server.overlay.self()->current_sender()));
        return true;
      });
    server.go_by_hand();
    server.start();
    remote = client.connect(server.target());
  }
  ~watched() {
    hang_on.set_value();
  }
  /// The facade that requests come through.
  caf::actor facade() {
    CHECK(client.ask<bool>(remote, check_handshake{}));
    return facades.next<caf::actor>();
  }
  /// The actor system of the operators.
  caf::actor_system& role() {
    return caf::actor_cast<caf::abstract_actor*>(facade())->home_system();
  }
  /// Lets a thread that runs it hang until the test is over.
  std::function<void()> hang() {
    return [until = done] { until.wait(); };
  }
  bool are_replaced(unsigned systems) {
    return server.comes_true(1s, [&] {
      return server.report().systems_replaced == systems;
    });
  }
  bool serves_again() {
    return eventually([&] {
      const auto answer = client.try_ask<bool>(remote, check_handshake{});
      return answer && *answer;
    });
  }

  std::promise<void> hang_on;
  std::shared_future<void> done = hang_on.get_future().share();
  message_log facades;
  served_overlay server;
  program client;
  overlay_actor remote;
};

} // namespace

TEST_CASE_METHOD(watched, "A client gets another facade for one that was "
                          "killed") {
  program other;
  auto second = other.connect(server.target());
  CHECK(other.ask<bool>(second, check_handshake{}));
  facades.take<caf::actor>();
  const auto first = facade();
  caf::anon_send_exit(first, caf::exit_reason::kill);
  CHECK(server.logs("its facade has ended"));
  CHECK(serves_again());
  CHECK(facade() != first);
  CHECK(other.ask<bool>(second, check_handshake{}));
  CHECK(server.report().operators == 2);
  CHECK(server.report().systems_replaced == 0);
}

TEST_CASE_METHOD(watched, "A middleman that hangs is replaced, and its clients "
                          "come back") {
  role().middleman().run_later(hang());
  CHECK(are_replaced(1));
  CHECK(serves_again());
  CHECK(server.log->count("the actor system of its role hung") == 1);
  CHECK(server.log->count("hung and is replaced") == 1);
}

TEST_CASE_METHOD(watched, "A scheduler that hangs is replaced") {
  auto stuck
    = role().spawn([until = done](caf::event_based_actor*) { until.wait(); });
  stuck = nullptr;
  CHECK(are_replaced(1));
  CHECK(serves_again());
}

TEST_CASE_METHOD(watched, "A role whose systems hang again and again is shut") {
  const auto states = std::make_shared<message_log>();
  remote = nullptr;
  connect_options options;
  options.watcher = client.watcher(states);
  options.longest_pause = options.first_pause;
  remote = client.connect(server.target(), options);
  for (unsigned i = 1; i <= role_supervisor::most_replaced; ++i) {
    REQUIRE(serves_again());
    facades.take<caf::actor>();
    role().middleman().run_later(hang());
    REQUIRE(are_replaced(i));
  }
  CHECK(server.logs("hung 8 times: its clients are refused"));
  CHECK(eventually([&] {
    return states->next<connection_state>().reason.find("is shut until")
           != std::string::npos;
  }));
  CHECK_FALSE(client.try_ask<bool>(remote, check_handshake{}));
}

TEST_CASE("A role that nobody needs any more takes no threads") {
  served_overlay server{watchful()};
  server.go_by_hand();
  // Threads name themselves, once they run.
  REQUIRE(eventually([] { return threads_named("caf.multiplexer") > 0; }));
  const auto before = threads_named("caf.multiplexer");
  server.start();
  CHECK(threads_named("caf.multiplexer") == before);
  for (int round = 0; round < 2; ++round) {
    {
      program client;
      auto remote = client.connect(server.target());
      CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
      CHECK(threads_named("caf.multiplexer") > before);
    }
    CHECK(eventually([&] { return server.report().operators == 0; }));
    server.clock->advance(supervisor_times{}.rest);
    CHECK(
      eventually([&] { return threads_named("caf.multiplexer") == before; }));
  }
}

TEST_CASE("A role that is used stays, however long") {
  auto limits = watchful();
  limits.roles.patience = 1000h; // its answers come by the host's time
  served_overlay server{limits};
  server.go_by_hand();
  server.start();
  program client;
  message_log states;
  auto remote = client.connect(server.target());
  for (int i = 0; i < 30; ++i) {
    CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
    server.clock->advance(limits.roles.rest + limits.roles.probe);
  }
  CHECK(server.report().accepted == 1);
}
