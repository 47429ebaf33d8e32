#include "tests/actors/control_raw.hpp"

#include <fcntl.h>
#include <sys/stat.h>

using namespace weft;
using namespace weft::test;

namespace {

/// Listens like a daemon, and answers what the test says.
class strange_daemon {
public:
  explicit strange_daemon(std::function<std::string()> answer)
    : answer_(std::move(answer)) {
    auto made = unix_listener::open(path(), 0600);
    if (!made)
      FAIL(made.error().message);
    listener_.emplace(std::move(*made));
    thread_ = std::thread([this] { serve(); });
  }
  ~strange_daemon() {
    ending_ = true;
    thread_.join();
  }
  std::string path() const {
    return folder_.path() + "/weft0.sock";
  }
  control_target target() const {
    return local_target{path()};
  }
  int served() const {
    return served_;
  }

private:
  void serve() {
    std::vector<file_descriptor> open;
    while (!ending_) {
      auto connection = listener_->accept();
      if (!connection) {
        std::this_thread::sleep_for(1ms);
        continue;
      }
      await_readable(connection.get());
      std::array<char, client_hello::size> heard{};
      std::ignore = ::read(connection.get(), heard.data(), heard.size());
      const auto said = answer_();
      ++served_; // before the other side can know
      std::ignore
        = ::send(connection.get(), said.data(), said.size(), MSG_NOSIGNAL);
      open.push_back(std::move(connection));
    }
  }

  temporary_folder folder_;
  std::function<std::string()> answer_;
  std::optional<unix_listener> listener_;
  std::atomic<int> served_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

/// Why a request is not answered.
caf::error failure_at(program& client, const overlay_actor& remote) {
  auto answer = client.try_ask<device_status>(remote, get_status{});
  REQUIRE_FALSE(answer);
  return std::move(answer.error());
}

/// Asks that many times at once; `failures` has why that is not answered.
void ask(program& client, const overlay_actor& remote, int times,
         message_log& failures) {
  std::ignore = client.system().spawn(
    [remote, times, &failures](caf::event_based_actor* self) -> caf::behavior {
      for (int i = 0; i < times; ++i)
        self->request(remote, caf::infinite, get_status{})
          .then([](const device_status&) {},
                [&failures](const caf::error& error) { failures.push(error); });
      return {};
    });
}

/// Why a daemon is given up whose client's clock is turned meanwhile.
caf::error failure_in_time(const control_target& where) {
  const auto clock = std::make_shared<manual_clock>();
  auto options = quick();
  options.sources.clock = clock;
  program client;
  auto remote = client.connect(where, options);
  message_log failures;
  ask(client, remote, 1, failures);
  CHECK(eventually([&] {
    clock->advance(100ms);
    return failures.count<caf::error>() > 0;
  }));
  return failures.next<caf::error>();
}

server_hello refusal(admission result) {
  server_hello said;
  said.answer = result;
  said.code = EACCES;
  said.text = "the moon is full";
  return said;
}

} // namespace

TEST_CASE("An actor system that is not prepared is told what it lacks") {
  caf::actor_system_config bare;
  caf::actor_system system{bare};
  const auto first = connect_overlay(system, local_target{"/nowhere"});
  REQUIRE_FALSE(first);
  CHECK_THAT(first.error().message, Catch::Contains("weft::configure"));
  caf::actor_system_config half;
  configure(half);
  caf::actor_system other{half};
  const auto second = connect_overlay(other, local_target{"/nowhere"});
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Catch::Contains("middleman"));
}

TEST_CASE("Where no daemon listens, that is said, and what to do") {
  const temporary_folder folder;
  const auto path = folder.path() + "/wg0.sock";
  program client;
  auto remote = client.connect(local_target{path}, quick());
  const auto expect = [&] {
    const auto error = failure_at(client, remote);
    CHECK(error_code(error) == ENOTCONN);
    CHECK(error_message(error)
          == "No daemon listens at " + path
               + ": is weftd running? (systemctl status weft@wg0)");
  };
  expect();
  { const auto abandoned = unix_listener::open(path, 0600); }
  expect();
  expect();
}

TEST_CASE("A socket that may not be used is not tried again") {
  const temporary_folder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  const auto path = folder.path() + "/weft0.sock";
  const auto listener = unix_listener::open(path, 0600);
  if (::geteuid() != 0)
    return;
  const auto code = in_child([&]() -> int {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0)
      return 2;
    program client;
    auto remote = client.connect(local_target{path}, quick());
    for (int i = 0; i < 2; ++i) {
      const auto answer = client.try_ask<device_status>(remote, get_status{});
      if (answer || error_code(answer.error()) != EACCES
          || error_message(answer.error()).find("run as root")
               == std::string::npos)
        return 3;
    }
    return 0;
  });
  CHECK(code == 0);
}

TEST_CASE("Another version, a refusal and a stranger are final") {
  struct example {
    std::string bytes;
    int code;
    std::string part;
  };
  server_hello newer;
  newer.version = control_version + 1;
  const std::vector<example> examples{
    {to_bytes(newer), EPROTONOSUPPORT,
     "speaks control protocol " + std::to_string(control_version)
       + ", the daemon"},
    {to_bytes(refusal(admission::refused)), EACCES,
     "refused: the moon is full"},
    {std::string(server_hello::size, 'x'), EPROTO, "is no weft daemon"},
  };
  for (const auto& each : examples) {
    strange_daemon daemon{[&] { return each.bytes; }};
    program client;
    const auto states = std::make_shared<message_log>();
    auto remote
      = client.connect(daemon.target(), quick(client.watcher(states)));
    for (int i = 0; i < 3; ++i) {
      const auto error = failure_at(client, remote);
      CHECK(error_code(error) == each.code);
      CHECK_THAT(error_message(error), Catch::Contains(each.part));
    }
    CHECK(daemon.served() == 1);
    const auto state = states->next<connection_state>();
    CHECK_FALSE(state.connected);
    CHECK(state.gave_up);
    CHECK(states->count<connection_state>() == 0);
  }
}

TEST_CASE("A daemon that has no time is tried again, and one that refuses, if "
          "that is wished") {
  strange_daemon busy{[] { return to_bytes(refusal(admission::try_later)); }};
  program client;
  auto first = client.connect(busy.target(), quick());
  CHECK(eventually([&] { return busy.served() > 3; }));
  strange_daemon strict{[] { return to_bytes(refusal(admission::refused)); }};
  auto options = quick();
  options.retry_refused = true;
  auto second = client.connect(strict.target(), options);
  CHECK(eventually([&] { return strict.served() > 3; }));
}

TEST_CASE("A daemon that does not answer is not waited for") {
  strange_daemon silent{[] { return std::string{}; }};
  const auto error = failure_in_time(silent.target());
  CHECK(error_code(error) == ETIMEDOUT);
  CHECK_THAT(error_message(error), Catch::Contains("did not answer in time"));
}

TEST_CASE("A daemon that does not speak as CAF does is not waited for") {
  server_hello granted;
  granted.answer = admission::granted;
  strange_daemon odd{[&] { return to_bytes(granted); }};
  CHECK(error_code(failure_in_time(odd.target())) == ENOTCONN);
  strange_daemon wild{[&] { return to_bytes(granted) + std::string(99, 'x'); }};
  program client;
  auto remote = client.connect(wild.target(), quick());
  CHECK(error_code(failure_at(client, remote)) == ENOTCONN);
}

TEST_CASE("A daemon that falls silent is noticed") {
  served_overlay server;
  server.start();
  program client;
  const auto states = std::make_shared<message_log>();
  connect_options options;
  options.watcher = client.watcher(states);
  // The daemon is quiet for longer than this client has patience.
  options.frames.silence = 300ms;
  options.frames.heartbeat = 100ms;
  auto remote = client.connect(server.target(), options);
  CHECK(states->next<connection_state>().connected);
  const auto state = states->next<connection_state>();
  CHECK_FALSE(state.connected);
  CHECK_THAT(state.reason, Catch::Contains("nothing was heard for 0.3 s"));
  CHECK(states->next<connection_state>().connected);
}

TEST_CASE("A watcher is told of the daemon that it is connected to") {
  served_overlay server;
  server.start();
  program client;
  const auto states = std::make_shared<message_log>();
  auto remote = client.connect(server.target(), quick(client.watcher(states)));
  auto state = states->next<connection_state>();
  CHECK(state.connected);
  CHECK(state.interface == "weft0");
  CHECK(state.role == control_role::operate);
  server.stop();
  state = states->next<connection_state>();
  CHECK_FALSE(state.connected);
  CHECK(state.code == ENOTCONN);
  CHECK_FALSE(state.gave_up);
}

TEST_CASE("A client comes back to a daemon that was started again, and its "
          "subscribers with it") {
  message_log relays;
  served_overlay server;
  server.overlay.on<subscribe>(
    [&](const subscribe& asked) -> caf::result<void> {
      relays.push(asked.subscriber);
      return caf::unit;
    });
  server.start();
  program client;
  const auto states = std::make_shared<message_log>();
  const auto batches = std::make_shared<message_log>();
  auto remote = client.connect(server.target(), quick(client.watcher(states)));
  const auto kept = client.subscriber(batches);
  const auto ended = client.subscriber(batches);
  const auto left = client.subscriber(batches);
  for (const auto& each : {kept, ended, left}) {
    CHECK_FALSE(client.command(remote, subscribe{each}));
    relays.next<event_subscriber>();
  }
  CHECK_FALSE(client.command(remote, unsubscribe{ended}));
  for (int round = 0; round < 3; ++round) {
    server.stop();
    while (states->next<connection_state>().connected) {
    }
    if (round == 0)
      caf::anon_send_exit(left, caf::exit_reason::user_shutdown);
    server.start();
    while (!states->next<connection_state>().connected) {
    }
    const auto relay = relays.next<event_subscriber>();
    event_batch batch;
    batch.first = static_cast<std::uint64_t>(round);
    CHECK_FALSE(server.home.command(relay, batch));
    CHECK(batches->next<event_batch>().first == batch.first);
    CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
    CHECK(relays.count<event_subscriber>() == 0);
  }
}

TEST_CASE("A subscriber that a daemon takes no more is told") {
  served_overlay server;
  bool accepts = true; // of the fake overlay's own thread
  server.overlay.on<subscribe>([&](const subscribe&) -> caf::result<void> {
    if (!accepts)
      return make_error(EUSERS, "too many subscribers");
    return caf::unit;
  });
  server.start();
  program client;
  const auto batches = std::make_shared<message_log>();
  auto remote = client.connect(server.target(), quick());
  CHECK_FALSE(client.command(remote, subscribe{client.subscriber(batches)}));
  server.overlay.run([&] { accepts = false; });
  server.stop();
  server.start();
  const auto last = batches->next<event_batch>();
  REQUIRE(last.events.size() == 1);
  CHECK(last.events[0].kind == event_kind::events_lost);
  CHECK(last.events[0].reason == "the subscription ends: too many subscribers");
}

TEST_CASE("A request that waits for the daemon is answered when it comes") {
  served_overlay server;
  program client;
  auto remote = client.connect(server.target(), quick());
  server.start();
  CHECK(eventually(
    [&] { return !client.command(remote, set_log_level{log_level::warn}); }));
}

TEST_CASE("A request whose connection is lost may have been carried out") {
  message_log asked;
  served_overlay server;
  server.overlay.on<reload_config>(
    [&](const reload_config&) -> caf::result<config_changes> {
      asked.push(true);
      return server.overlay.self()
        ->make_response_promise<caf::typed_response_promise<config_changes>>();
    });
  server.options.limits.farewell = 50ms;
  server.start();
  program client;
  auto remote = client.connect(server.target(), quick());
  message_log answers;
  std::ignore
    = client.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
        self->request(remote, caf::infinite, reload_config{})
          .then([](const config_changes&) {},
                [&](const caf::error& error) { answers.push(error); });
        return {};
      });
  asked.next<bool>();
  server.stop();
  const auto error = answers.next<caf::error>();
  CHECK(error_code(error) == ECONNRESET);
  CHECK_THAT(error_message(error),
             Catch::Contains("may have been carried out"));
}

TEST_CASE("Who asks for the end of the daemon is answered, even if that is "
          "faster") {
  message_log asked;
  served_overlay server;
  server.overlay.on<shut_down>([&](const shut_down&) -> caf::result<void> {
    asked.push(true);
    return server.overlay.self()->make_response_promise();
  });
  server.options.limits.farewell = 50ms;
  server.start();
  program client;
  auto remote = client.connect(server.target(), quick());
  message_log answers;
  std::ignore
    = client.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
        self->request(remote, caf::infinite, shut_down{})
          .then([&] { answers.push(true); },
                [&](const caf::error&) { answers.push(false); });
        return {};
      });
  asked.next<bool>();
  server.stop();
  CHECK(answers.next<bool>());
}

TEST_CASE("More than a thousand requests do not wait for one daemon") {
  strange_daemon silent{[] { return std::string{}; }};
  const auto clock = std::make_shared<manual_clock>();
  auto options = quick();
  options.sources.clock = clock;
  program client;
  auto remote = client.connect(silent.target(), options);
  message_log failures;
  ask(client, remote, 1100, failures);
  std::map<int, int> seen;
  for (int i = 0; i < 76; ++i)
    ++seen[error_code(failures.next<caf::error>())];
  clock->advance(options.attempt);
  for (int i = 76; i < 1100; ++i)
    ++seen[error_code(failures.next<caf::error>())];
  CHECK(seen == std::map<int, int>{{EBUSY, 76}, {ETIMEDOUT, 1024}});
}

TEST_CASE("A program that lets go of its overlay ends at once") {
  served_overlay server;
  server.overlay.on<reload_config>(
    [&](const reload_config&) -> caf::result<config_changes> {
      return server.overlay.self()
        ->make_response_promise<caf::typed_response_promise<config_changes>>();
    });
  server.start();
  strange_daemon silent{[] { return std::string{}; }};
  connect_options patient;
  patient.attempt = 600s;
  const auto before = std::chrono::steady_clock::now();
  {
    program client;
    auto connected = client.connect(server.target(), patient);
    CHECK_FALSE(client.command(connected, set_log_level{log_level::warn}));
    auto nowhere = client.connect(local_target{"/nowhere"}, patient);
    auto trying = client.connect(silent.target(), patient);
    caf::anon_send(connected, reload_config{});
  }
  CHECK(std::chrono::steady_clock::now() - before < 60s); // busy machine or not
  CHECK(eventually([&] { return server.report().operators == 0; }));
}

TEST_CASE("A program may end its overlay while others hold it") {
  served_overlay server;
  server.start();
  program client;
  auto remote = client.connect(server.target());
  CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
  caf::anon_send_exit(remote, caf::exit_reason::user_shutdown);
  CHECK(eventually([&] { return server.report().operators == 0; }));
  CHECK(client.command(remote, set_log_level{log_level::warn}));
}
