#include "actors/overlay/reconfiguration.hpp"

#include "tests/catch.hpp"
#include "tests/platform/support.hpp"

#include <cerrno>

namespace weft {

namespace {

using step = reconfiguration::step;
using test::prefix;

private_key key_of(std::byte first) {
  private_key key;
  key.bytes()[0] = first;
  return key;
}

device_settings former_settings() {
  device_settings former;
  former.interface.private_key = key_of(std::byte{1});
  former.interface.addresses = {prefix("10.0.0.1/24")};
  former.interface.mtu = 1420;
  former.interface.fwmark = 7;
  former.port = 51820;
  return former;
}

interface_config wanted_interface() {
  auto wanted = former_settings().interface;
  wanted.private_key = key_of(std::byte{2});
  wanted.addresses = {prefix("10.0.1.1/24")};
  wanted.cluster_networks = {prefix("10.2.0.0/16")};
  wanted.mtu = 1400;
  wanted.fwmark = 8;
  wanted.kill_switch = true;
  wanted.keep_inbound = false;
  wanted.listen.port = 51821;
  return wanted;
}

/// What differs from former_settings(), with a peer.
device_update full_update() {
  const auto wanted = wanted_interface();
  device_update update;
  update.private_key = wanted.private_key;
  update.listen_port = wanted.listen.port;
  update.fwmark = wanted.fwmark;
  update.peers.emplace_back();
  return update;
}

/// Does the steps of a change, of which some fail.
struct world {
  device_settings settings = former_settings();
  bool peers_changed = false;
  std::optional<step> fails;      ///< when it is to be made
  std::optional<step> stays_made; ///< when it is to be taken back
  std::vector<step> made;         ///< and taken back, in this order

  void run(reconfiguration& plan) {
    while (const auto next = plan.next()) {
      if (plan.takes_back() ? next == stays_made : next == fails) {
        plan.failed({plan.takes_back() ? EADDRINUSE : EPERM,
                     plan.takes_back() ? "no way back" : "not allowed",
                     "interface"});
        continue;
      }
      made.push_back(*next);
      make(*next, plan);
    }
  }

  void make(step what, reconfiguration& plan) {
    auto& now = settings.interface;
    const auto& to = plan.to();
    switch (what) {
      case step::sockets:
        now.listen = to.interface.listen;
        now.fwmark = to.interface.fwmark;
        settings.port = to.port == 0 ? std::uint16_t{40'000} : to.port;
        plan.bound(settings.port);
        return;
      case step::mark:
        now.fwmark = to.interface.fwmark;
        break;
      case step::lock:
        now.kill_switch = to.interface.kill_switch;
        now.keep_inbound = to.interface.keep_inbound;
        break;
      case step::host:
        now.addresses = to.interface.addresses;
        now.cluster_networks = to.interface.cluster_networks;
        now.mtu = to.interface.mtu;
        break;
      case step::identity:
        now.private_key = to.interface.private_key;
        break;
      case step::peers:
        REQUIRE_FALSE(plan.takes_back());
        peers_changed = true;
        break;
      case step::check_peers:
        REQUIRE_FALSE(plan.takes_back());
        break;
    }
    plan.done();
  }
};

reconfiguration full_change() {
  const auto wanted = wanted_interface();
  return {former_settings(), full_update(), &wanted, true};
}

} // namespace

TEST_CASE("A change that nothing stops is made in full, the peers last") {
  auto plan = full_change();
  world world;
  world.run(plan);
  CHECK_FALSE(plan.reason());
  CHECK(world.made
        == std::vector{step::check_peers, step::sockets, step::lock, step::host,
                       step::identity, step::peers});
  auto wanted = former_settings();
  wanted.interface = wanted_interface();
  wanted.port = 51821;
  CHECK(world.settings == wanted);
  CHECK(plan.in_force() == wanted);
}

TEST_CASE("Whichever step of a change fails, all is as it was") {
  const auto fails = GENERATE(step::check_peers, step::sockets, step::lock,
                              step::host, step::identity, step::peers);
  CAPTURE(static_cast<int>(fails));
  auto plan = full_change();
  world world;
  world.fails = fails;
  world.run(plan);
  REQUIRE(plan.reason());
  CHECK(plan.reason()->code == EPERM);
  CHECK(plan.reason()->message == "not allowed");
  CHECK(plan.reason()->field == "interface");
  CHECK_FALSE(plan.half_done());
  CHECK_FALSE(world.peers_changed);
  CHECK(world.settings == former_settings());
  CHECK(plan.in_force() == former_settings());
}

TEST_CASE("What cannot be taken back is told of, and the rest is taken back") {
  auto plan = full_change();
  world world;
  world.fails = step::peers;
  auto left = former_settings();
  const auto wanted = wanted_interface();
  std::string sentence;
  SECTION("the socket") {
    world.stays_made = step::sockets;
    left.interface.listen = wanted.listen;
    left.interface.fwmark = wanted.fwmark;
    left.port = 51821;
    sentence = "not allowed; and the former socket cannot be opened again, so "
               "port 51821 stays in use: no way back";
  }
  SECTION("the lock") {
    world.stays_made = step::lock;
    left.interface.kill_switch = true;
    left.interface.keep_inbound = false;
    sentence = "not allowed; and what may leave beside the tunnel stays as it "
               "was changed: no way back";
  }
  SECTION("the host") {
    world.stays_made = step::host;
    left.interface.addresses = wanted.addresses;
    left.interface.cluster_networks = wanted.cluster_networks;
    left.interface.mtu = wanted.mtu;
    sentence = "not allowed; and what was changed on the host stays: no way "
               "back";
  }
  SECTION("the key") {
    world.stays_made = step::identity;
    left.interface.private_key = wanted.private_key;
    sentence = "not allowed; and the new private key stays in use: no way back";
  }
  world.run(plan);
  CHECK(plan.half_done());
  REQUIRE(plan.reason());
  CHECK(plan.reason()->code == EPERM);
  CHECK(plan.reason()->message == sentence);
  CHECK(world.settings == left);
  CHECK(plan.in_force() == left);
}

TEST_CASE("A mark that was changed alone is taken back, or told of") {
  auto wanted = former_settings().interface;
  wanted.fwmark = 8;
  wanted.mtu = 1400;
  device_update update;
  update.fwmark = 8;
  reconfiguration plan{former_settings(), update, &wanted, true};
  world world;
  world.fails = step::host;
  SECTION("taken back") {
    world.run(plan);
    CHECK(world.made == std::vector{step::mark, step::mark});
    CHECK(world.settings == former_settings());
    CHECK_FALSE(plan.half_done());
  }
  SECTION("told of") {
    world.stays_made = step::mark;
    world.run(plan);
    CHECK(plan.half_done());
    CHECK(plan.reason()->message
          == "not allowed; and the mark 8 stays: no way back");
    CHECK(world.settings.interface.fwmark == 8);
  }
}

TEST_CASE("A change has the steps that it needs") {
  auto now = former_settings();
  device_update update;
  world world;
  std::vector<step> steps;
  SECTION("none") {
  }
  SECTION("peers, which the registry checks itself") {
    update.peers.emplace_back();
    steps = {step::peers};
  }
  SECTION("the removal of all peers") {
    update.replace_peers = true;
    steps = {step::peers};
  }
  SECTION("a mark, for which no socket is opened") {
    update.fwmark = 9;
    steps = {step::mark};
  }
  SECTION("the port that is in use already") {
    update.listen_port = now.port;
  }
  SECTION("another port, which the kernel chooses") {
    update.listen_port = 0;
    steps = {step::sockets};
  }
  SECTION("the key that it has") {
    update.private_key = now.interface.private_key;
  }
  SECTION("no key") {
    update.private_key.emplace();
    steps = {step::identity};
  }
  reconfiguration plan{now, update, nullptr, true};
  world.run(plan);
  CHECK(world.made == steps);
  CHECK(plan.in_force() == world.settings);
}

TEST_CASE("The host is set again for what the peers ask of it, and for the "
          "mark that rules look for") {
  auto now = former_settings();
  auto wanted = now.interface;
  peer_networks networks;
  device_update update;
  std::vector<step> steps;
  SECTION("nothing new") {
  }
  SECTION("all traffic") {
    networks.all.v4 = true;
    steps = {step::host};
  }
  SECTION("other networks") {
    networks.allowed = {prefix("10.3.0.0/16")};
    steps = {step::host};
  }
  SECTION("routes of another kind") {
    wanted.routes = route_mode::automatic;
    steps = {step::host};
  }
  SECTION("another mark of a full tunnel") {
    now.networks.all.v4 = networks.all.v4 = true;
    update.fwmark = 9;
    steps = {step::mark, step::host};
  }
  reconfiguration plan{now, update, &wanted, true, networks};
  world world;
  world.settings = now;
  world.run(plan);
  CHECK(world.made == steps);
  CHECK(plan.in_force().networks == networks);
}

TEST_CASE("A port that the kernel chose stays when the address changes") {
  auto now = former_settings();
  now.interface.listen.port = 0;
  now.port = 40'123;
  auto wanted = now.interface;
  wanted.listen.address = *parse_ip_address("127.0.0.1");
  reconfiguration plan{now, {}, &wanted, true};
  REQUIRE(plan.next() == step::sockets);
  CHECK(plan.to().port == 40'123);
  CHECK(plan.to().interface.listen.port == 0);
}

TEST_CASE("A link that is not ours to set is left alone") {
  const auto wanted = wanted_interface();
  reconfiguration plan{former_settings(), full_update(), &wanted, false};
  world world;
  world.run(plan);
  CHECK_FALSE(plan.reason());
  CHECK(world.settings.interface.addresses
        == former_settings().interface.addresses);
  CHECK(world.settings.interface.mtu == 1420);
  CHECK(world.peers_changed);
}

} // namespace weft
