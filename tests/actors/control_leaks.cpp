// What clients leave behind that come and go at every stage of a connection.
#include "tests/actors/control_raw.hpp"
#include "tests/actors/leaks.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// Comes, and leaves at one stage.
using visit = std::function<void(const std::string& socket)>;

struct stage {
  std::string name;
  visit come_and_go;
};

std::vector<stage> stages() {
  const auto hello = to_bytes(client_hello{control_version, node_id('x')});
  return {
    {"connected", [](const std::string& socket) { raw_client{socket}; }},
    {"half a hello",
     [=](const std::string& socket) {
       raw_client{socket}.send(hello.substr(0, 20));
     }},
    {"hello",
     [=](const std::string& socket) { raw_client{socket}.send(hello); }},
    {"let in",
     [=](const std::string& socket) {
       raw_client client{socket};
       client.send(hello);
       client.receive(server_hello::size);
     }},
    {"hands shaken",
     [](const std::string& socket) { raw_client{socket}.enter(); }},
    {"in the middle of a request",
     [](const std::string& socket) {
       raw_client client{socket};
       client.enter();
       client.send(status_request(1, client.facade).substr(0, 60));
     }},
    {"while a request is answered",
     [](const std::string& socket) {
       raw_client client{socket};
       client.enter();
       client.send(status_request(1, client.facade));
     }},
    {"while it is subscribed",
     [](const std::string& socket) {
       raw_client client{socket};
       client.enter();
       message_frame made;
       made.destination = client.facade;
       client.send(made.with(
         content("@<>+weft::subscribe", big_endian(6) + client.node())));
     }},
    {"after a violation",
     [](const std::string& socket) {
       raw_client client{socket};
       client.enter();
       client.send(std::string(64, '\xee'));
     }},
  };
}

} // namespace

TEST_CASE("Clients that come and go at any stage leave no descriptor behind") {
  served_overlay server;
  server.options.log->set_level(spdlog::level::off);
  server.start();
  // What is made at the first time stays.
  for (const auto& each : stages())
    each.come_and_go(server.options.socket_path);
  const auto at_rest = [&] {
    return eventually([&] {
      const auto now = server.report();
      return now.unknown + now.operators == 0;
    });
  };
  REQUIRE(at_rest());
  for (const auto& each : stages()) {
    INFO(each.name);
    const auto before = open_descriptors();
    for (int i = 0; i < 200; ++i)
      each.come_and_go(server.options.socket_path);
    REQUIRE(at_rest());
    CHECK(eventually([&] { return open_descriptors() <= before; }));
  }
}

TEST_CASE("Connections of a client that come and go leave no descriptor "
          "behind") {
  served_overlay server;
  server.start();
  program client;
  const auto come_and_go = [&](bool waits) {
    const auto states = std::make_shared<message_log>();
    connect_options options;
    options.watcher = client.watcher(states);
    const auto remote = client.connect(server.target(), options);
    if (waits)
      CHECK(states->next<connection_state>().connected);
  };
  come_and_go(true);
  const auto nobody = [&] { return server.report().operators == 0; };
  REQUIRE(eventually(nobody));
  const auto before = open_descriptors();
  for (int i = 0; i < 60; ++i)
    come_and_go(i % 2 == 0);
  CHECK(eventually([&] { return nobody() && open_descriptors() <= before; }));
}
