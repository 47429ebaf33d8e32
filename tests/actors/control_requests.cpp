#include "tests/actors/control_support.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

/// A program that is connected to an overlay.
struct connected {
  connected() {
    server.start();
    remote = client.connect(server.target());
  }

  /// Sends a request that is answered with changes, and returns it as it
  /// arrived.
  template <class T>
  T change(const T& request) {
    server.overlay.on<T>(
      [this](const T& arrived) -> caf::result<config_changes> {
        received.push(arrived);
        return config_changes{1, 2, 3, {"a note"}};
      });
    CHECK(client.ask<config_changes>(remote, request)
          == config_changes{1, 2, 3, {"a note"}});
    return received.next<T>();
  }

  message_log received;
  served_overlay server;
  program client;
  overlay_actor remote;
};

node_config some_config() {
  node_config config;
  config.interface.name = "weft7";
  config.interface.private_key = private_key{secret<32>{}};
  peer_config peer;
  peer.name = "beta";
  peer.public_key = key_with(7);
  peer.allowed_ips = {*parse_ip_prefix("10.7.0.0/16")};
  config.peers = {peer};
  return config;
}

} // namespace

TEST_CASE_METHOD(connected, "A status crosses over") {
  server.overlay.on<get_status>(
    [this](const get_status& asked) -> caf::result<device_status> {
      received.push(asked);
      device_status status;
      status.interface = "weft0";
      status.peers.resize(2000);
      status.peers[1999].public_key = key_with(9);
      status.peers[1999].rx_bytes = 12345;
      return status;
    });
  const auto status = client.ask<device_status>(remote, get_status{12, 34});
  CHECK(status.interface == "weft0");
  REQUIRE(status.peers.size() == 2000);
  CHECK(status.peers[1999].public_key == key_with(9));
  CHECK(status.peers[1999].rx_bytes == 12345);
  const auto asked = received.next<get_status>();
  CHECK(asked.first_peer == 12);
  CHECK(asked.max_peers == 34);
}

TEST_CASE_METHOD(connected, "Every change crosses over") {
  const auto config = some_config();
  change(reload_config{});
  change(add_peer{config.peers[0]});
  CHECK(change(apply_config{config}).config == config);
  change(reload_config{});
  CHECK(change(add_peer{config.peers[0]}).peer == config.peers[0]);
  patch<peer_config> update;
  update.public_key = key_with(3);
  update.set(&peer_config::name, "gamma");
  const auto updated = change(update_peer{update});
  CHECK(updated.update.public_key == key_with(3));
  CHECK(*updated.update.find(&peer_config::name) == "gamma");
  CHECK(change(remove_peer{key_with(4)}).peer == key_with(4));
  const auto moved
    = change(set_endpoint{key_with(5), *parse_endpoint("192.0.2.1:51820")});
  CHECK(moved.peer == key_with(5));
  CHECK(moved.where == endpoint_config{*parse_endpoint("192.0.2.1:51820")});
  const auto prefix = *parse_ip_prefix("10.1.2.0/24");
  CHECK(change(add_allowed_ip{key_with(6), prefix}).prefix == prefix);
  CHECK(change(remove_allowed_ip{key_with(6), prefix}).prefix == prefix);
}

TEST_CASE_METHOD(connected, "Every other request crosses over") {
  server.overlay.on<check_handshake>(
    [](const check_handshake& asked) -> caf::result<bool> {
      return asked.peer == key_with(1) && asked.since == 1234;
    });
  CHECK(client.ask<bool>(remote, check_handshake{key_with(1), 1234}));
  CHECK_FALSE(client.ask<bool>(remote, check_handshake{key_with(2), 1234}));
  server.overlay.on<generate_keys>(
    [](const generate_keys&) -> caf::result<key_pair> {
      key_pair made;
      made.shared = key_with(8);
      return made;
    });
  CHECK(client.ask<key_pair>(remote, generate_keys{}).shared == key_with(8));
  CHECK_FALSE(client.command(remote, set_log_level{log_level::debug}));
  CHECK(server.overlay.next<set_log_level>().level == log_level::debug);
  CHECK_FALSE(client.command(remote, shut_down{}));
  server.overlay.next<shut_down>();
}

TEST_CASE_METHOD(connected, "An error comes back as it was") {
  server.overlay.on<remove_peer>(
    [](const remove_peer&) -> caf::result<config_changes> {
      return make_error(ENOENT, "there is no such peer");
    });
  const auto answer
    = client.try_ask<config_changes>(remote, remove_peer{key_with(1)});
  REQUIRE_FALSE(answer);
  CHECK(error_code(answer.error()) == ENOENT);
  CHECK(error_message(answer.error()) == "there is no such peer");
}

TEST_CASE_METHOD(connected, "An overlay that has ended is an error") {
  server.overlay.on<reload_config>(
    [this](const reload_config&) -> caf::result<config_changes> {
      server.overlay.self()->quit(caf::exit_reason::kill);
      return caf::sec::runtime_error;
    });
  std::ignore = client.try_ask<config_changes>(remote, reload_config{});
  const auto answer = client.try_ask<device_status>(remote, get_status{});
  REQUIRE_FALSE(answer);
  server.home.await_end(server.gateway);
  server.gateway = nullptr;
}

TEST_CASE_METHOD(connected, "Answers come in the order in which they are given "
                            "and to whom they are for") {
  std::vector<caf::typed_response_promise<bool>> promises;
  server.overlay.on<check_handshake>(
    [&](const check_handshake& asked) -> caf::result<bool> {
      auto promise
        = server.overlay.self()
            ->make_response_promise<caf::typed_response_promise<bool>>();
      promises.push_back(promise);
      received.push(asked);
      return promise;
    });
  message_log answers;
  std::vector<caf::actor> askers;
  for (int i = 0; i < 20; ++i) {
    askers.push_back(client.system().spawn(
      [&, i](caf::event_based_actor* self) -> caf::behavior {
        self->request(remote, caf::infinite, check_handshake{key_with(1), i})
          .then([&, i](bool yes) {
            answers.push(std::pair{i, yes});
          });
        return {};
      }));
    received.next<check_handshake>();
  }
  for (int i = 19; i >= 0; --i) {
    server.overlay.run(
      [&] { promises[static_cast<std::size_t>(i)].deliver(i % 2 == 0); });
    CHECK(answers.next<std::pair<int, bool>>() == std::pair{i, i % 2 == 0});
  }
}

TEST_CASE_METHOD(connected, "More requests than may wait at the daemon wait "
                            "before it, and all are answered") {
  server.overlay.on<get_status>(
    [](const get_status& asked) -> caf::result<device_status> {
      device_status status;
      status.mtu = asked.first_peer;
      return status;
    });
  message_log answers;
  constexpr std::uint32_t count = 300;
  auto asker = client.system().spawn(
    [&](caf::event_based_actor* self) -> caf::behavior {
      for (std::uint32_t i = 0; i < count; ++i)
        self->request(remote, caf::infinite, get_status{i, 1})
          .then([&](const device_status& status) { answers.push(status.mtu); });
      return {};
    });
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < count; ++i)
    seen.insert(answers.next<std::uint32_t>());
  CHECK(seen.size() == count);
}

TEST_CASE_METHOD(connected, "A configuration of megabytes crosses over") {
  auto config = some_config();
  config.peers.resize(1);
  auto peer = config.peers[0];
  peer.name = std::string(1000, 'x');
  for (std::uint32_t i = 1; i < 3000; ++i) {
    store_be(peer.public_key.bytes.data() + 4, i);
    config.peers.push_back(peer);
  }
  CHECK(change(apply_config{config}).config.peers.size() == 3000);
}

TEST_CASE_METHOD(connected, "A configuration that is larger than a message may "
                            "be is refused, and the connection stays") {
  auto config = some_config();
  config.peers[0].allowed_ips.resize(
    260'000, *parse_ip_prefix("fd00:1234:5678:9abc::/64"));
  const auto answer
    = client.try_ask<config_changes>(remote, apply_config{config});
  REQUIRE_FALSE(answer);
  CHECK(error_code(answer.error()) == EMSGSIZE);
  CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
  CHECK(server.report().violations == 0);
}

TEST_CASE_METHOD(connected, "The log has who asked for what") {
  CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
  CHECK(server.logs("asks: set_log_level"));
  CHECK_FALSE(server.log->count("asks: get_status"));
}

TEST_CASE_METHOD(connected,
                 "The log has which peer was meant, by the beginning "
                 "of its key") {
  public_key key;
  key.bytes.fill(std::byte{7});
  change(remove_peer{key});
  CHECK(server.logs("asks: remove_peer BwcHBwcH..."));
  peer_config added;
  added.public_key = key;
  added.name = "a\nforged line";
  std::ignore = client.try_ask<config_changes>(remote, add_peer{added});
  CHECK(server.logs("asks: add_peer BwcHBwcH..."));
  CHECK_FALSE(server.log->count("forged line"));
  patch<peer_config> update;
  update.public_key = key;
  change(update_peer{update});
  CHECK(server.logs("asks: update_peer BwcHBwcH..."));
}

TEST_CASE_METHOD(connected, "Two programs are served at a time, and one that "
                            "ends leaves nothing behind") {
  {
    program other;
    auto second = other.connect(server.target());
    CHECK_FALSE(other.command(second, set_log_level{log_level::warn}));
    CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
    CHECK(server.report().operators == 2);
  }
  CHECK(eventually([&] { return server.report().operators == 1; }));
  CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
}

TEST_CASE_METHOD(connected, "One program may connect twice") {
  auto second = client.connect(server.target());
  CHECK_FALSE(client.command(second, set_log_level{log_level::warn}));
  CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
  CHECK(server.report().operators == 2);
}
