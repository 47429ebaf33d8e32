#include "tests/actors/control_raw.hpp"
#include "tests/actors/descriptors.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

using namespace weft;
using namespace weft::test;

namespace {

struct served : served_overlay {
  served() {
    start();
  }
  raw_client knock() const {
    return raw_client{options.socket_path};
  }
  bool reports(const std::function<bool(const gateway_report&)>& condition) {
    return eventually([&] { return condition(report()); });
  }
};

/// Its time passes when the test says so.
struct served_by_hand : served_overlay {
  served_by_hand() {
    go_by_hand();
    start();
  }
  raw_client knock() const {
    return raw_client{options.socket_path};
  }
};

} // namespace

TEST_CASE_METHOD(served_by_hand, "A frame that does not get on ends the "
                                 "connection, and whole ones do not") {
  auto whole = knock();
  whole.enter();
  auto slow = knock();
  slow.enter();
  auto headless = knock();
  headless.enter();
  const auto request = status_request(1, slow.facade);
  CHECK(headless.send(basp::heartbeat().substr(0, 20)));
  std::size_t sent = 0;
  CHECK(comes_true(1s, [&] {
    // One byte after the other, as if they were alive.
    if (sent + 1 < request.size())
      slow.send(request.substr(sent++, 1));
    whole.send(basp::heartbeat());
    return report().silent == 2;
  }));
  CHECK(slow.ended());
  CHECK(headless.ended());
  CHECK(logs("it did not complete what it sends for 30 s"));
  CHECK(report().operators == 1);
}

TEST_CASE_METHOD(served,
                 "Whatever an operator does, the log is not filled with "
                 "it") {
  auto client = knock();
  client.enter();
  overlay.on<generate_keys>(
    [](const generate_keys&) -> caf::result<key_pair> { return key_pair{}; });
  for (std::uint64_t number = 1; number <= 300; ++number) {
    message_frame made;
    made.destination = client.facade;
    made.id = request_bit | number;
    REQUIRE(client.send(made.with(content("@<>+weft::generate_keys"))));
    REQUIRE(client.next_message());
  }
  CHECK(log->count("asks: generate_keys") < 150);
  for (int i = 0; i < 50; ++i) {
    auto attacker = knock();
    attacker.enter();
    attacker.send(std::string(64, '\xee'));
    CHECK(attacker.ended());
  }
  CHECK(log->count("was cut off") < 40);
  CHECK(report().violations == 50);
  CHECK(logs("more lines about user "));
}

TEST_CASE_METHOD(served, "The socket is for root, the daemon's user and one "
                         "group") {
  struct stat info {};
  REQUIRE(::stat(options.socket_path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0660);
  stop();
  CHECK_FALSE(std::filesystem::exists(options.socket_path));
}

TEST_CASE_METHOD(served, "A client is told where it is and what it may do") {
  auto client = knock();
  const auto said = client.ask({control_version, node_id('x')});
  REQUIRE(said);
  CHECK(said->answer == admission::granted);
  CHECK(said->role == control_role::operate);
  CHECK(said->interface == "weft0");
  CHECK_THAT(said->text, Catch::StartsWith("user "));
  CHECK(logs("came in as operator"));
  CHECK(report().operators == 1);
}

TEST_CASE_METHOD(served, "Another version is refused, and told so") {
  auto client = knock();
  const auto said = client.ask({control_version + 1, {}});
  REQUIRE(said);
  CHECK(said->answer == admission::refused);
  const auto theirs
    = "it speaks control protocol " + std::to_string(control_version + 1);
  CHECK(said->text
        == theirs + ", this daemon speaks " + std::to_string(control_version));
  CHECK(client.ended());
  CHECK(logs("did not come in: " + theirs));
  CHECK(reports([](const auto& now) { return now.refused == 1; }));
}

TEST_CASE_METHOD(served, "What is no hello is refused") {
  auto client = knock();
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                      + std::string(64, 'x')));
  CHECK(client.ended());
  CHECK(logs("does not speak weft's control protocol"));
}

TEST_CASE_METHOD(served, "A client that has the daemon's node id is refused") {
  auto first = knock();
  first.enter();
  auto second = knock();
  const auto said = second.ask({control_version, first.server_node});
  REQUIRE(said);
  CHECK(said->answer == admission::try_later);
  CHECK(second.ended());
}

TEST_CASE_METHOD(served_by_hand, "Who says nothing is sent away") {
  auto silent = knock();
  auto slow = knock();
  REQUIRE(slow.send("weft-clt"));
  REQUIRE(eventually([&] { return report().unknown == 2; }));
  clock->advance(gateway_limits{}.hello - 1ms);
  CHECK(report().refused == 0);
  clock->advance(1ms);
  CHECK(silent.ended());
  CHECK(slow.ended());
  CHECK(eventually([&] { return report().refused == 2; }));
  CHECK(logs("did not say what it wants"));
}

TEST_CASE_METHOD(served_by_hand, "A client that is not heard any more is cut "
                                 "off, and one that is heard stays") {
  auto alive = knock();
  alive.enter();
  auto dead = knock();
  dead.enter();
  CHECK(comes_true(500ms, [&] {
    alive.send(basp::heartbeat());
    return report().silent == 1;
  }));
  CHECK(dead.ended());
  CHECK(logs("nothing was heard for 5 s"));
  CHECK(report().operators == 1);
}

TEST_CASE_METHOD(served_by_hand, "A client hears the daemon's heart") {
  auto client = knock();
  client.enter();
  for (int beats = 0; beats < 3;) {
    REQUIRE(client.send(basp::heartbeat()));
    clock->advance(relay_times{}.heartbeat);
    const auto bytes = client.receive(basp::header_size);
    REQUIRE(bytes.size() == basp::header_size);
    const auto head = basp::parse_header(bytes);
    client.receive(head.length);
    beats += head.what == basp::operation::heartbeat ? 1 : 0;
  }
}

TEST_CASE_METHOD(served, "A client speaks to the overlay byte by byte") {
  overlay.on<get_status>([](const get_status&) -> caf::result<device_status> {
    device_status status;
    status.interface = "weft0";
    return status;
  });
  auto client = knock();
  client.enter();
  for (const auto byte : status_request(1, client.facade))
    REQUIRE(client.send({&byte, 1}));
  const auto answer = client.next_message();
  REQUIRE(answer);
  CHECK(answer->first.destination == 5);
  CHECK(answer->first.source == client.facade);
  CHECK(basp::message_id{answer->first.data}.is_response());
  CHECK(basp::parse_message_head(answer->second).types
        == "@<>+weft::device_status");
}

TEST_CASE_METHOD(served, "An attack ends the connection, and hurts nobody") {
  auto bystander = knock();
  bystander.enter();
  message_frame named;
  named.flags = basp::named_receiver;
  message_frame exit;
  exit.id = request_bit;
  message_frame routed;
  routed.what = basp::operation::routed_message;
  const auto nodes = [](const raw_client& client) {
    return client.node() + client.server_node;
  };
  const std::vector<std::function<std::string(const raw_client&)>> attacks{
    [&](const raw_client& client) {
      named.destination = client.facade;
      return named.with(content("@<>+@atom+@atom+@str"));
    },
    [&](const raw_client& client) {
      exit.destination = client.facade;
      return exit.with(content("@<>+@exit"));
    },
    [&](const raw_client& client) {
      routed.destination = client.facade;
      return routed.with(nodes(client) + content("@<>+weft::get_status"));
    },
    [&](const raw_client& client) {
      message_frame link;
      link.destination = client.facade;
      return link.with(content("@<>+@atom+@strong_actor_ptr"));
    },
    [](const raw_client&) {
      return basp::to_bytes({basp::operation::direct_message, 0, 0xffff'ffff,
                             request_bit | 1, 5, 9});
    },
    [&](const raw_client& client) {
      return frame({basp::operation::monitor_message, 0, 0, 0, 0, 1},
                   nodes(client));
    },
    [&](const raw_client& client) {
      return status_request(1, client.facade)
             + frame({basp::operation::down_message, 0, 0, 0, 5},
                     nodes(client)
                       + error_with("@<>+@charbuf", "\xff\xff\xff\xff\x0f"));
    },
    [](const raw_client&) { return std::string(64, '\xee'); },
  };
  for (const auto& attack : attacks) {
    auto client = knock();
    client.enter();
    REQUIRE(client.send(attack(client)));
    CHECK(client.ended());
  }
  CHECK(reports([&](const auto& now) {
    return now.violations == attacks.size() && now.operators == 1;
  }));
  CHECK(log->count("was cut off") == attacks.size());
  REQUIRE(bystander.send(status_request(1, bystander.facade)));
  CHECK(bystander.next_message());
  CHECK(report().systems_replaced == 0);
}

TEST_CASE_METHOD(served, "Thirty-two clients are let in, and one more when "
                         "one has left") {
  std::vector<std::unique_ptr<raw_client>> inside;
  for (std::size_t i = 0; i < options.limits.role_clients; ++i) {
    inside.push_back(std::make_unique<raw_client>(options.socket_path));
    inside.back()->enter();
  }
  auto late = knock();
  const auto said = late.ask({control_version, node_id('x')});
  REQUIRE(said);
  CHECK(said->answer == admission::try_later);
  CHECK(said->text == "too many connections");
  inside.pop_back();
  CHECK(reports([&](const auto& now) {
    return now.operators == options.limits.role_clients - 1;
  }));
  knock().enter();
}

TEST_CASE_METHOD(served,
                 "Who only looks whether somebody listens is no worry") {
  options.log->set_level(spdlog::level::warn);
  const auto goes = [&](std::string_view words) {
    const auto before = report().refused;
    REQUIRE(knock().send(words));
    CHECK(reports([&](const auto& now) { return now.refused > before; }));
  };
  goes("");
  CHECK(log->count("did not come in") == 0);
  goes("half a hell");
  CHECK(log->count("did not come in: it was closed by the other end") == 1);
}

TEST_CASE_METHOD(served, "Thousands may knock, and some are let in") {
  std::vector<std::unique_ptr<raw_client>> crowd;
  for (int i = 0; i < 3000; ++i) {
    if (i >= 200) // the descriptors of this process are few
      crowd.erase(crowd.begin());
    crowd.push_back(std::make_unique<raw_client>(options.socket_path));
    if (i % 500 == 0) {
      CHECK(report().unknown <= options.limits.unknown_clients);
      knock().enter();
    }
  }
  CHECK(report().unknown <= options.limits.unknown_clients);
  CHECK(reports([](const auto& now) { return now.refused > 2500; }));
  // The log has seen a few of them only.
  CHECK(log->count("did not come in") < 100);
  knock().enter();
}

TEST_CASE_METHOD(served, "Without descriptors nobody comes in, and nothing "
                         "spins") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  knock().enter(); // what is made at the first time is there
  {
    auto blocked = knock();
    auto few = before;
    few.rlim_cur = 3; // fewer than there are
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    blocked.send(to_bytes(client_hello{control_version, node_id('x')}));
    CHECK(report().operators <= 1);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(blocked.receive(server_hello::size).size() % server_hello::size == 0);
  }
  knock().enter();
}

TEST_CASE("A listener that cannot take a connection rests a while") {
  world home(run_by::hand);
  const auto loop = home.start_loop();
  const signal_descriptor knocking;
  int tries = 0;
  message_log rests;
  std::unique_ptr<listener> watched;
  loop.run([&] {
    listener::owner told;
    told.accept = [&] {
      ++tries;
      return false;
    };
    told.rests = [&](time_point until) { rests.push(until); };
    told.failed = [] {};
    watched
      = std::make_unique<listener>(*loop.loop, knocking.get(), std::move(told));
  });
  knocking.set();
  for (int round = 1; round <= 3; ++round) {
    const auto until = rests.next<time_point>();
    CHECK(loop.falls_asleep());
    CHECK(tries == round);
    loop.run([&] { watched->check(until - 1ns); });
    CHECK(loop.falls_asleep());
    CHECK(tries == round);
    loop.run([&] { watched->check(until); });
  }
  loop.run([&] { watched.reset(); });
}

TEST_CASE_METHOD(served, "The gateway ends with its overlay") {
  auto client = knock();
  client.enter();
  caf::anon_send_exit(overlay.handle(), caf::exit_reason::user_shutdown);
  home.await_end(gateway);
  gateway = nullptr;
  CHECK(client.ended());
}

TEST_CASE_METHOD(served, "Whoever asks for the end hears that it came") {
  overlay.on<shut_down>([this](const shut_down&) -> caf::result<void> {
    overlay.self()->quit(caf::exit_reason::user_shutdown);
    return caf::unit;
  });
  auto client = knock();
  client.enter();
  message_frame made;
  made.destination = client.facade;
  REQUIRE(client.send(made.with(content("@<>+weft::shut_down"))));
  const auto answer = client.next_message();
  REQUIRE(answer);
  CHECK(basp::parse_message_head(answer->second).types == "@<>");
  CHECK(client.ended());
  home.await_end(gateway);
  gateway = nullptr;
}

TEST_CASE("A gateway whose group is missing serves root, and says so") {
  served_overlay server;
  server.options.socket_group = "no-such-group";
  server.start();
  CHECK(server.logs("no-such-group"));
  program client;
  auto overlay = client.connect(server.target());
  CHECK_FALSE(client.command(overlay, set_log_level{log_level::warn}));
}

TEST_CASE("A gateway that cannot open its socket says why") {
  served_overlay server;
  server.options.socket_path = server.folder.path() + "/no/such/weft0.sock";
  std::ofstream{server.folder.path() + "/no"} << "a file";
  auto started = start_gateway(server.home.system(), server.overlay.handle(),
                               server.options);
  REQUIRE_FALSE(started);
  CHECK_THAT(started.error().message, Catch::Contains("/no"));
}
