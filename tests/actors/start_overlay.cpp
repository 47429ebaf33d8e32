// Needs root: whole overlays in network namespaces of their own.
#include "actors/overlay/start_overlay.hpp"

#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "platform/unix_socket.hpp"
#include "tests/actors/leaks.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/support.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/support.hpp"

#include <net/if.h>
#include <poll.h>
#include <spdlog/sinks/null_sink.h>

#include <cerrno>
#include <filesystem>

using namespace weft;
using namespace weft::test;

namespace {

using bytes = std::vector<std::byte>;

bool has_link(const std::string& name) {
  return ::if_nametoindex(name.c_str()) != 0;
}

/// A host that overlays are started on: a namespace, and an actor system that
/// outlives them.
struct overlay_host {
  overlay_options options(const std::string& name = "weft7") {
    overlay_options wanted;
    auto& interface = wanted.config.interface;
    interface.name = name;
    interface.private_key = generate_private_key(random);
    interface.listen.port = 0;
    interface.addresses = {prefix("10.9.0.1/24")};
    interface.socket_folder = files.path();
    wanted.log = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::null_sink_mt>());
    return wanted;
  }
  running_overlay start(overlay_options wanted) {
    auto running = start_overlay(home.system(), std::move(wanted));
    if (!running)
      FAIL(running.error().message);
    home.ends_with_test(running->actor);
    return std::move(*running);
  }
  /// Starts what cannot be started, and returns the error.
  system_error fail(overlay_options wanted) {
    const auto before = open_descriptors();
    auto running = start_overlay(home.system(), std::move(wanted));
    if (running)
      FAIL("it starts");
    CHECK(nothing_is_left(before));
    return running.error();
  }
  std::string socket_path(const std::string& name = "weft7") const {
    return files.path() + "/" + name + ".sock";
  }
  device_status status(const overlay_actor& actor) {
    return home.ask<device_status>(root(actor), report_request{});
  }
  /// What the overlay's own actors may ask of it, besides everybody's.
  static overlay_root_actor root(const overlay_actor& actor) {
    return caf::actor_cast<overlay_root_actor>(actor);
  }

  network_namespace here;
  temporary_folder files;
  deterministic_random random{41};
  world home;
};

} // namespace

TEST_CASE("An overlay starts and stops again and again and leaves nothing") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto before = open_descriptors();
  for (int round = 0; round < 5; ++round) {
    auto options = host.options();
    peer_config friendly;
    friendly.public_key.bytes[0] = std::byte{9};
    friendly.allowed_ips = {prefix("10.9.0.2/32")};
    options.config.peers = {friendly};
    const auto key = derive_public_key(options.config.interface.private_key);
    auto running = start_overlay(host.home.system(), std::move(options));
    REQUIRE(running);
    CHECK(eventually([] { return overlay_threads() >= 2; }));
    CHECK(running->interface == "weft7");
    CHECK(has_link("weft7"));
    CHECK(std::filesystem::exists(host.socket_path()));
    const auto status = host.status(running->actor);
    CHECK(status.listen_port == running->port);
    CHECK(status.public_key == key);
    CHECK(status.private_key.is_zero());
    CHECK(status.mtu == 1420);
    REQUIRE(status.peers.size() == 1);
    CHECK(status.peers[0].allowed_ips == friendly.allowed_ips);
    CHECK(status.drops.size() == drop_reason_count);
    caf::anon_send(running->actor, shut_down{});
    CHECK(host.home.await_end(running->actor)
          == caf::exit_reason::user_shutdown);
    running->actor = nullptr;
    CHECK(nothing_is_left(before));
    CHECK_FALSE(has_link("weft7"));
    CHECK_FALSE(std::filesystem::exists(host.socket_path()));
  }
}

TEST_CASE("An overlay says in its log which offloads it lacks") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto wanted = GENERATE(true, false);
  auto options = host.options();
  if (!wanted)
    options.config.offloads
      = {offload_mode::off, offload_mode::off,
         GENERATE(offload_mode::automatic, offload_mode::off)};
  const auto lines = std::make_shared<line_sink>();
  options.log = std::make_shared<spdlog::logger>("test", lines);
  const auto running = host.start(std::move(options));
  CHECK(lines->count("weft7: offloads are switched off") == (wanted ? 0 : 1));
}

TEST_CASE("An interface name that is taken is refused, and nothing left") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto holder = tun_device::create("weft7");
  REQUIRE(holder);
  const auto error = host.fail(host.options());
  CHECK_THAT(error.message, Catch::Contains("weft7"));
  CHECK(holder->still_exists());
  CHECK_FALSE(std::filesystem::exists(host.socket_path()));
}

TEST_CASE("A port that is taken is refused, and nothing left") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto holder = open_udp(ip_family::v4);
  auto options = host.options();
  options.config.interface.listen.port = holder.port();
  const auto error = host.fail(std::move(options));
  CHECK(error.code == EADDRINUSE);
  CHECK_FALSE(has_link("weft7"));
  CHECK_FALSE(std::filesystem::exists(host.socket_path()));
}

TEST_CASE("A control socket that is served is left alone, and nothing else "
          "left") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto holder = unix_listener::open(host.socket_path(), 0600);
  REQUIRE(holder);
  CHECK(host.fail(host.options()).code == EADDRINUSE);
  CHECK(holder->still_in_place());
  CHECK_FALSE(has_link("weft7"));
}

TEST_CASE("A link that cannot be configured as wanted is not left") {
  if (!can_make_networks())
    return;
  overlay_host host;
  auto options = host.options();
  options.config.interface.mtu = 10;
  const auto error = host.fail(std::move(options));
  CHECK(error.code != 0);
  CHECK_FALSE(has_link("weft7"));
  CHECK_FALSE(std::filesystem::exists(host.socket_path()));
}

TEST_CASE("An overlay whose device is deleted ends with an error and leaves "
          "nothing") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto before = open_descriptors();
  for (int round = 0; round < 3; ++round) {
    auto running = start_overlay(host.home.system(), host.options());
    REQUIRE(running);
    run("ip link del weft7");
    const auto reason = host.home.await_end(running->actor);
    CHECK(reason != caf::exit_reason::user_shutdown);
    CHECK(error_code(reason) == ENODEV);
    CHECK_THAT(error_message(reason), Catch::Contains("lost"));
    running->actor = nullptr;
    CHECK(nothing_is_left(before));
    CHECK_FALSE(std::filesystem::exists(host.socket_path()));
  }
}

TEST_CASE("A configuration whose route is taken changes no address") {
  if (!can_make_networks())
    return;
  overlay_host host;
  auto options = host.options();
  auto wanted = options.config;
  const auto running = host.start(std::move(options));
  run("ip link set lo up && ip route add 198.51.100.0/24 dev lo");
  wanted.interface.addresses = {prefix("10.9.0.3/24"), prefix("10.9.0.1/24")};
  wanted.interface.cluster_networks = {prefix("198.51.100.0/24")};
  const auto refused
    = host.home.try_ask<config_changes>(running.actor, apply_config{wanted});
  REQUIRE_FALSE(refused);
  CHECK(error_code(refused.error()) == EEXIST);
  CHECK(succeeds("ip addr show dev weft7 | grep -q 10.9.0.1/24"));
  CHECK_FALSE(succeeds("ip addr show dev weft7 | grep -q 10.9.0.3/24"));
}

TEST_CASE("A socket that cannot be taken back is told of, and stays in use") {
  if (!can_make_networks())
    return;
  overlay_host host;
  run("ip link set lo up && ip addr add 192.0.2.5/32 dev lo");
  auto options = host.options();
  options.config.interface.listen.address = address("192.0.2.5");
  const auto lines = std::make_shared<line_sink>();
  options.log = std::make_shared<spdlog::logger>("test", lines);
  auto wanted = options.config;
  const auto running = host.start(std::move(options));
  run("ip addr del 192.0.2.5/32 dev lo && ip route add 198.51.100.0/24 dev lo");
  wanted.interface.listen = {address("0.0.0.0"), running.port, 0};
  wanted.interface.cluster_networks = {prefix("198.51.100.0/24")};
  const auto refused
    = host.home.try_ask<config_changes>(running.actor, apply_config{wanted});
  REQUIRE_FALSE(refused);
  CHECK(error_code(refused.error()) == EEXIST);
  CHECK_THAT(error_message(refused.error()), Catch::Contains("stays in use"));
  CHECK(lines->count("a change was made in part: ") == 1);
  const auto status = host.status(running.actor);
  CHECK(status.listen.address == address("0.0.0.0"));
  CHECK(status.listen_port == running.port);
}

TEST_CASE("A change of which a part must fail changes nothing") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const auto running = host.start(host.options());
  const auto before = host.status(running.actor);
  const auto holder = open_udp(ip_family::v4);
  device_update update;
  update.listen_port = holder.port();
  update.fwmark = 7;
  update.private_key = generate_private_key(host.random);
  update.peers.emplace_back().public_key.bytes[0] = std::byte{9};
  const auto error = host.home.command(host.root(running.actor), update);
  CHECK(error_code(error) == EADDRINUSE);
  auto after = host.status(running.actor);
  CHECK(after.listen_port == before.listen_port);
  CHECK(after.fwmark == 0);
  CHECK(after.public_key == before.public_key);
  CHECK(after.peers.empty());
  // And the same change with a free port changes all.
  update.listen_port = 0;
  CHECK_FALSE(host.home.command(host.root(running.actor), update));
  after = host.status(running.actor);
  CHECK(after.listen_port != before.listen_port);
  CHECK(after.fwmark == 7);
  CHECK(after.public_key == derive_public_key(*update.private_key));
  CHECK(after.peers.size() == 1);
}

namespace {

/// Sends numbered datagrams from one namespace to another and sees in which
/// order they arrive.
struct numbered_flow {
  udp_socket from;
  udp_socket to;
  endpoint destination;
  std::uint32_t next = 1;
  std::uint32_t newest = 0;
  std::size_t received = 0;
  std::size_t overtaken = 0;

  void send(std::size_t count, std::size_t size) {
    bytes memory(count * size);
    datagram_buffer buffer{memory};
    for (std::size_t i = 0; i < count; ++i)
      store_le(buffer.add_message(size).data(), next++);
    from.send(buffer, 0, destination, std::nullopt);
  }
  /// Takes what arrives until nothing comes for a while, or `number` does.
  bool receive_until(std::uint32_t number) {
    bytes memory(udp_socket::receive_stride * udp_socket::max_messages);
    pollfd entry{to.descriptor(), POLLIN, 0};
    while (newest < number && ::poll(&entry, 1, 100) == 1) {
      std::vector<received_datagrams> got;
      to.receive(memory, udp_socket::max_messages, got);
      for (const auto& message : got) {
        for (std::size_t at = 0; at < message.bytes.size();
             at += message.segment_size) {
          const auto found = load_le<std::uint32_t>(message.bytes.data() + at);
          overtaken += found <= newest;
          newest = std::max(newest, found);
          ++received;
        }
      }
    }
    return newest >= number;
  }
  /// Sends a burst, and then one datagram after the other until one is there:
  /// packets may be lost.
  bool burst(std::size_t count, std::size_t size) {
    send(count, size);
    const auto last = next - 1;
    return eventually([&] {
      if (receive_until(last))
        return true;
      send(1, size);
      return false;
    });
  }
};

} // namespace

TEST_CASE("Two overlays of one process carry bursts both ways, and no packet "
          "of a flow overtakes another") {
  if (!can_make_networks())
    return;
  overlay_host host;
  const network_namespace left;
  const network_namespace right;
  std::array<running_overlay, 2> ends;
  std::array<public_key, 2> keys;
  host.here.visit([&] {
    for (std::size_t i = 0; i < 2; ++i) {
      auto options = host.options("weft" + std::to_string(i));
      options.configure_link = false;
      keys[i] = derive_public_key(options.config.interface.private_key);
      ends[i] = host.start(std::move(options));
    }
    for (std::size_t i = 0; i < 2; ++i) {
      move_link(static_cast<int>(::if_nametoindex(ends[i].interface.c_str())),
                (i == 0 ? left : right).descriptor());
      device_update update;
      update.peers.resize(2);
      update.peers[0].public_key.bytes[0] = std::byte{9};
      auto& other = update.peers[1];
      other.public_key = keys[1 - i];
      other.set(&peer_config::endpoint,
                endpoint{address("127.0.0.1"), ends[1 - i].port, 0});
      other.allowed_ips
        = {{prefix(i == 0 ? "10.9.0.2/32" : "10.9.0.1/32"), false}};
      REQUIRE_FALSE(host.home.command(host.root(ends[i].actor), update));
    }
  });
  for (std::size_t i = 0; i < 2; ++i) {
    (i == 0 ? left : right).visit([&] {
      const auto link = ends[i].interface;
      run("ip link set mtu 1420 up dev " + link);
      add_address(i == 0 ? "10.9.0.1/24" : "10.9.0.2/24", link);
    });
  }
  for (const bool backwards : {false, true}) {
    auto open_at = [&](bool at_right) {
      std::optional<udp_socket> socket;
      (at_right ? right : left).visit([&] {
        socket = open_udp(ip_family::v4);
      });
      return std::move(*socket);
    };
    numbered_flow flow{open_at(backwards), open_at(!backwards), {}};
    flow.destination
      = {address(backwards ? "10.9.0.1" : "10.9.0.2"), flow.to.port(), 0};
    for (int i = 0; i < 40; ++i) {
      REQUIRE(flow.burst(64, 1000)); // as super-packets, where offloads work
      for (std::size_t size = 4; size < 40; size += 3)
        flow.send(1, size);
      REQUIRE(flow.burst(1, 100));
    }
    CHECK(flow.overtaken == 0);
    CHECK(flow.received > 0);
  }
  for (const auto& end : ends) {
    const auto status = host.status(end.actor);
    REQUIRE(status.peers.size() == 2);
    CHECK(status.peers[1].last_handshake);
    CHECK(status.peers[1].rx_packets > 40);
    CHECK(status.peers[1].tx_packets > 40);
    CHECK(status.peers[1].restarts == 0);
  }
}
