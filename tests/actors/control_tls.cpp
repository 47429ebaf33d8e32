#include "actors/overlay/start_overlay.hpp"
#include "tests/actors/control_support.hpp"
#include "tests/platform/test_pki.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

using namespace weft;
using namespace weft::test;

namespace {

/// A gateway that listens on a port of the loopback interface.
struct remote_overlay_server {
  explicit remote_overlay_server(gateway_limits limits = {}) : server(limits) {
    server.options.socket_path.clear();
    server.options.tls.emplace();
    server.options.tls->listen = {*parse_endpoint("127.0.0.1:0")};
    server.options.tls->files = pki.issue("daemon", control_role::node);
  }
  void start() {
    server.start();
    port = server.report().remote.at(0).port;
  }
  /// Who has these files connects to the daemon.
  control_target
  target(const tls_files& files, const std::string& host = "127.0.0.1") const {
    return remote_target{host, port, files, {}};
  }
  control_target as(const std::string& name, control_role role) {
    return target(pki.issue(name, role));
  }
  /// A connection that says nothing yet.
  file_descriptor knock(const char* from = "127.0.0.1") const {
    file_descriptor fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    const auto* const where = reinterpret_cast<const sockaddr*>(&address);
    address.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, from, &address.sin_addr) == 1);
    REQUIRE(::bind(fd.get(), where, sizeof address) == 0);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), where, sizeof address) == 0);
    return fd;
  }

  test_pki pki;
  served_overlay server;
  std::uint16_t port = 0;
};

bool ends(const file_descriptor& connection) {
  if (!await_readable(connection.get()))
    return false;
  char byte = 0;
  return ::read(connection.get(), &byte, 1) <= 0;
}

} // namespace

TEST_CASE("An operator elsewhere does what one here can do") {
  remote_overlay_server remote;
  remote.start();
  program client;
  for (const auto* host : {"127.0.0.1", "localhost"}) {
    auto overlay = client.connect(
      remote.target(remote.pki.issue("alice", control_role::operate), host));
    CHECK_FALSE(client.command(overlay, set_log_level{log_level::debug}));
    CHECK(remote.server.overlay.next<set_log_level>().level
          == log_level::debug);
  }
  CHECK(remote.server.logs("certificate alice came in as operator from "
                           "127.0.0.1:"));
}

TEST_CASE("A viewer elsewhere may look, and is told what it may not do") {
  remote_overlay_server remote;
  remote.start();
  program client;
  const auto states = std::make_shared<message_log>();
  auto overlay = client.connect(remote.as("bob", control_role::view),
                                quick(client.watcher(states)));
  CHECK(states->next<connection_state>().role == control_role::view);
  std::ignore = client.ask<device_status>(overlay, get_status{});
  std::ignore = client.ask<bool>(overlay, check_handshake{});
  const auto batches = std::make_shared<message_log>();
  CHECK_FALSE(client.command(overlay, subscribe{client.subscriber(batches)}));
  const auto relay = remote.server.overlay.next<weft::subscribe>().subscriber;
  CHECK_FALSE(remote.server.home.command(relay, event_batch{5, {}}));
  CHECK(batches->next<event_batch>().first == 5);
  const auto refused = [&](const caf::error& error, const std::string& what) {
    CHECK(error_code(error) == EPERM);
    CHECK(error_message(error)
          == "As viewer (certificate bob): " + what
               + " needs the role operator");
  };
  const auto change = client.try_ask<config_changes>(overlay, reload_config{});
  REQUIRE_FALSE(change);
  refused(change.error(), "reload_config");
  const auto whole = client.try_ask<config_changes>(overlay, apply_config{});
  REQUIRE_FALSE(whole);
  refused(whole.error(), "apply_config");
  CHECK(remote.server.logs("As viewer (certificate bob): apply_config needs"));
  const auto keys = client.try_ask<key_pair>(overlay, generate_keys{});
  REQUIRE_FALSE(keys);
  refused(keys.error(), "generate_keys");
  refused(client.command(overlay, shut_down{}), "shut_down");
  CHECK(remote.server.logs("As viewer (certificate bob): shut_down needs"));
  remote.server.overlay.settle();
  CHECK(remote.server.overlay.count<shut_down>() == 0);
  CHECK(remote.server.report().viewers == 1);
  CHECK(remote.server.report().violations == 0);
}

TEST_CASE("The daemon's configuration knows better than a certificate") {
  remote_overlay_server remote;
  remote.server.options.tls->roles
    = {{"carol", control_role::view}, {"dave", control_role::operate}};
  remote.start();
  program client;
  auto carol = client.connect(remote.as("carol", control_role::operate));
  CHECK(error_code(client.command(carol, shut_down{})) == EPERM);
  auto dave = client.connect(remote.as("dave", control_role::view));
  CHECK_FALSE(client.command(dave, set_log_level{log_level::warn}));
}

TEST_CASE("Who has a certificate of another authority does not come in") {
  remote_overlay_server remote;
  remote.start();
  test_pki other{"another authority"};
  program client;
  const auto stranger = other.issue("eve", control_role::operate);
  // Eve believes the right authority, which does not know Eve.
  auto files = stranger;
  files.authority = remote.pki.path("ca.pem");
  files.revocations = remote.pki.path("crl.pem");
  auto eve = client.connect(remote.target(files), quick());
  auto error = client.command(eve, set_log_level{log_level::warn});
  CHECK(error_message(error) != "");
  CHECK(error);
  // Mallory's daemon is not the one that Alice believes.
  auto alice = client.connect(remote.target(stranger), quick());
  error = client.command(alice, set_log_level{log_level::warn});
  CHECK(error_code(error) == EACCES);
  CHECK_THAT(error_message(error),
             Catch::Contains("No secure connection to 127.0.0.1:"));
  CHECK(remote.server.log->count("came in") == 0);
  CHECK(eventually([&] { return remote.server.report().refused >= 2; }));
}

TEST_CASE("Who has a certificate that has expired does not come in") {
  remote_overlay_server remote;
  remote.start();
  program client;
  const auto files
    = remote.pki.issue("alice", control_role::operate, test_pki::long_ago());
  auto alice = client.connect(remote.target(files), quick());
  const auto error = client.command(alice, set_log_level{log_level::warn});
  CHECK_THAT(error_message(error), Catch::Contains("expired"));
  CHECK(remote.server.log->count("came in") == 0);
}

TEST_CASE("A daemon is believed only under its own name") {
  remote_overlay_server remote;
  remote.start();
  program client;
  auto target
    = std::get<remote_target>(remote.as("alice", control_role::operate));
  target.server_name = "somebody.example";
  auto overlay = client.connect(target, quick());
  const auto error = client.command(overlay, set_log_level{log_level::warn});
  CHECK(error_code(error) == EACCES);
}

TEST_CASE("A certificate that is revoked ends its connection, and opens no "
          "other") {
  gateway_limits limits;
  limits.certificates = 50ms;
  remote_overlay_server remote{limits};
  remote.start();
  program client;
  const auto states = std::make_shared<message_log>();
  auto alice = client.connect(remote.as("alice", control_role::operate),
                              quick(client.watcher(states)));
  auto bob = client.connect(remote.as("bob", control_role::operate));
  CHECK_FALSE(client.command(alice, set_log_level{log_level::warn}));
  CHECK_FALSE(client.command(bob, set_log_level{log_level::warn}));
  CHECK(states->next<connection_state>().connected);
  remote.pki.revoke("alice");
  CHECK_FALSE(states->next<connection_state>().connected);
  CHECK(remote.server.report().revoked == 1);
  CHECK(client.command(alice, set_log_level{log_level::warn}));
  const auto refused = states->next<connection_state>();
  CHECK(refused.certificate_refused);
  CHECK_FALSE(refused.gave_up);
  CHECK_FALSE(client.command(bob, set_log_level{log_level::warn}));
  CHECK(remote.server.report().operators == 1);
}

TEST_CASE("A revocation is noticed in time though nothing else wakes the "
          "gateway") {
  gateway_limits limits;
  limits.hello = 60s;
  limits.frames.heartbeat = 60s;
  limits.frames.silence = 120s;
  remote_overlay_server remote{limits};
  remote.start();
  program client;
  auto alice = client.connect(remote.as("alice", control_role::operate));
  CHECK_FALSE(client.command(alice, set_log_level{log_level::warn}));
  remote.pki.revoke("alice");
  CHECK(eventually([&] { return remote.server.report().revoked == 1; }));
}

TEST_CASE("A daemon that is revoked loses those who steer it, if they have the "
          "list") {
  remote_overlay_server remote;
  remote.start();
  program client;
  const auto states = std::make_shared<message_log>();
  auto alice = client.connect(remote.as("alice", control_role::operate),
                              quick(client.watcher(states)));
  CHECK_FALSE(client.command(alice, set_log_level{log_level::warn}));
  CHECK(states->next<connection_state>().connected);
  remote.pki.revoke("daemon");
  const auto lost = states->next<connection_state>();
  CHECK_FALSE(lost.connected);
  CHECK_THAT(lost.reason, Catch::Contains("was revoked"));
  const auto refused = client.command(alice, set_log_level{log_level::warn});
  CHECK(error_code(refused) == EACCES);
  CHECK_THAT(error_message(refused), Catch::Contains("was revoked"));
}

TEST_CASE("Who does not shake hands is sent away, and keeps nobody out") {
  gateway_limits limits;
  limits.hello = 3s;
  limits.unknown_clients = 8;
  remote_overlay_server remote{limits};
  remote.start();
  std::vector<file_descriptor> crowd;
  for (int i = 0; i < 100; ++i)
    crowd.push_back(remote.knock());
  CHECK(remote.server.report().unknown <= 8);
  program client;
  auto alice = client.connect(remote.as("alice", control_role::operate));
  CHECK_FALSE(client.command(alice, set_log_level{log_level::warn}));
  for (const auto& each : crowd)
    CHECK(ends(each));
  CHECK(remote.server.logs("too many others knock"));
  CHECK(eventually([&] { return remote.server.report().refused == 100; }));
}

TEST_CASE("A host that knocks and knocks keeps no other one out") {
  gateway_limits limits;
  limits.unknown_clients = 8;
  remote_overlay_server remote{limits};
  remote.start();
  const auto other = remote.knock("127.0.0.2");
  std::vector<file_descriptor> crowd;
  for (int i = 0; i < 100; ++i)
    crowd.push_back(remote.knock());
  for (std::size_t i = 0; i < 93; ++i)
    CHECK(ends(crowd[i]));
  pollfd entry{other.get(), POLLIN, 0};
  CHECK(::poll(&entry, 1, 0) == 0);
  CHECK(remote.server.report().unknown == 8);
}

TEST_CASE("Among as many from each network the oldest gives way") {
  gateway_limits limits;
  limits.unknown_clients = 4;
  remote_overlay_server remote{limits};
  remote.start();
  const auto oldest = remote.knock("127.0.0.9");
  std::vector<file_descriptor> others;
  for (const auto* from : {"127.0.0.2", "127.0.0.3", "127.0.0.4"})
    others.push_back(remote.knock(from));
  CHECK(eventually([&] { return remote.server.report().unknown == 4; }));
  others.push_back(remote.knock("127.0.0.5"));
  CHECK(ends(oldest));
  for (const auto& each : others) {
    pollfd entry{each.get(), POLLIN, 0};
    CHECK(::poll(&entry, 1, 0) == 0);
  }
}

TEST_CASE("What is no TLS is sent away") {
  remote_overlay_server remote;
  remote.start();
  const auto connection = remote.knock();
  const std::string text = "GET / HTTP/1.1\r\n\r\n";
  REQUIRE(::write(connection.get(), text.data(), text.size())
          == static_cast<ssize_t>(text.size()));
  while (!ends(connection)) { // an alert comes first
  }
  CHECK(eventually([&] { return remote.server.report().refused == 1; }));
}

TEST_CASE("A large answer crosses over TLS") {
  remote_overlay_server remote;
  remote.server.overlay.on<get_status>(
    [](const get_status&) -> caf::result<device_status> {
      device_status status;
      status.peers.resize(2000);
      status.peers[1999].name = "the last";
      return status;
    });
  remote.start();
  program client;
  auto alice = client.connect(remote.as("alice", control_role::operate));
  for (int i = 0; i < 10; ++i) {
    const auto status = client.ask<device_status>(alice, get_status{});
    REQUIRE(status.peers.size() == 2000);
    CHECK(status.peers[1999].name == "the last");
  }
}

TEST_CASE("Where no host is, that is said") {
  remote_overlay_server remote;
  remote.start();
  program client;
  const auto files = remote.pki.issue("alice", control_role::operate);
  auto nobody = client.connect(
    remote_target{"no-such-host.invalid", 1, files, {}}, quick());
  const auto unknown = client.command(nobody, set_log_level{log_level::warn});
  CHECK(error_code(unknown) == ENOTCONN);
  CHECK_THAT(error_message(unknown), Catch::Contains("no-such-host.invalid"));
  const auto port = remote.port;
  remote.server.stop();
  auto closed
    = client.connect(remote_target{"127.0.0.1", port, files, {}}, quick());
  const auto refused = client.command(closed, set_log_level{log_level::warn});
  CHECK(error_code(refused) == ENOTCONN);
  CHECK_THAT(error_message(refused), Catch::Contains("Is weftd running there"));
}

namespace {

/// The next event of a real overlay's that is one of `kinds`.
overlay_event
next_event(message_log& batches, const std::set<event_kind>& kinds) {
  for (;;) {
    for (auto& event : batches.next<event_batch>().events) {
      if (kinds.count(event.kind) > 0)
        return event;
    }
  }
}

} // namespace

TEST_CASE("A daemon that lacks a file for remote control can be steered here, "
          "says so, and is open once the file is there") {
  gateway_limits limits;
  limits.reopen = 50ms;
  remote_overlay_server remote{limits};
  remote.server.options.socket_path = remote.server.folder.path() + "/w.sock";
  const auto file
    = GENERATE("daemon.pem", "daemon.key", "ca.pem", "crl.pem", "expired");
  const auto path
    = remote.pki.path(file == std::string("expired") ? "daemon.pem" : file);
  const auto good = remote.pki.text_of(std::filesystem::path(path).filename());
  if (file == std::string("expired"))
    remote.pki.issue("daemon", control_role::node, test_pki::long_ago());
  else
    std::filesystem::remove(path);
  remote.server.start();
  CHECK(remote.server.logs("nobody can come in over the network"));
  CHECK(remote.server.log->count(path) == 1);
  program client;
  auto local = client.connect(remote.server.target());
  CHECK_FALSE(client.command(local, set_log_level{log_level::warn}));
  CHECK(remote.server.report().remote.empty());
  if (file == std::string("expired"))
    remote.pki.issue("daemon", control_role::node);
  else
    remote.pki.put(std::filesystem::path(path).filename(), good, 0600);
  REQUIRE(eventually([&] { return !remote.server.report().remote.empty(); }));
  CHECK(remote.server.logs("can come in over the network now"));
  remote.port = remote.server.report().remote.at(0).port;
  auto alice = client.connect(remote.as("alice", control_role::operate));
  CHECK_FALSE(client.command(alice, set_log_level{log_level::warn}));
}

TEST_CASE("A taken control port is waited for, and the overlay's status and "
          "events say how it stands") {
  gateway_limits limits;
  limits.reopen = 50ms;
  remote_overlay_server remote{limits};
  auto taken = tcp_listener::open(*parse_endpoint("127.0.0.1:0"));
  REQUIRE(taken);
  remote.server.options.tls->listen = {taken->where()};
  overlay_options options;
  options.device = use_packet_port{};
  options.config.interface.listen.port = 0;
  options.log = remote.server.options.log;
  auto running = start_overlay(remote.server.home.system(), std::move(options));
  REQUIRE(running);
  program client;
  const auto batches = std::make_shared<message_log>();
  CHECK_FALSE(
    client.command(running->actor, subscribe{client.subscriber(batches)}));
  auto started = start_gateway(remote.server.home.system(), running->actor,
                               remote.server.options);
  REQUIRE(started);
  const auto status
    = [&] { return client.ask<device_status>(running->actor, get_status{}); };
  const std::set kinds{event_kind::remote_control_closed,
                       event_kind::remote_control_opened};
  const auto closed = next_event(*batches, kinds);
  CHECK(closed.kind == event_kind::remote_control_closed);
  CHECK_THAT(closed.reason, Catch::Contains("in use"));
  CHECK(status().remote_control == "closed: " + closed.reason);
  taken = tl::unexpected(system_error{});
  CHECK(next_event(*batches, kinds).kind == event_kind::remote_control_opened);
  CHECK(status().remote_control == "open");
  caf::anon_send(*started, shut_down{});
  CHECK(remote.server.home.await_end(*started)
        == caf::exit_reason::user_shutdown);
  caf::anon_send(running->actor, shut_down{});
  CHECK(remote.server.home.await_end(running->actor)
        == caf::exit_reason::user_shutdown);
}
