// A configuration that no reader has seen.
#include "config/validate.hpp"

#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

node_config good() {
  node_config config;
  config.interface.private_key = key(8);
  config.peers.resize(2);
  config.peers[0].public_key = public_of(1);
  config.peers[0].allowed_ips = {prefix("10.0.0.0/8")};
  config.peers[1].public_key = public_of(2);
  return config;
}

/// The field that is wrong after an edit; empty: none.
template <class Edit>
std::string wrong(Edit edit) {
  auto config = good();
  edit(config);
  const auto mistake = validate(config);
  if (!mistake)
    return {};
  CHECK_FALSE(mistake->message.empty());
  return mistake->field;
}

/// A section that lets others in over the network.
void open_door(control_config& control) {
  control.listen = *parse_endpoint("0.0.0.0:7447");
  control.certificate = "a.pem";
  control.key = "a.key";
  control.ca = "ca.pem";
}

} // namespace

TEST_CASE("A good configuration is fine, with a private key or without") {
  CHECK(wrong([](auto&) {}).empty());
  CHECK(wrong([](auto& c) { c.interface.private_key.wipe(); }).empty());
  CHECK(wrong([](auto& c) { open_door(c.control); }).empty());
}

TEST_CASE("Every key of a struct is checked as a file's is") {
  CHECK(wrong([](auto& c) { c.interface.name = "a b"; }) == "interface.name");
  CHECK(wrong([](auto& c) { c.interface.mtu = 100; }) == "interface.mtu");
  CHECK(wrong([](auto& c) {
          c.interface.mtu = 1279;
          c.interface.cluster_networks = {*parse_ip_prefix("fd00::/8")};
        })
        == "interface.mtu");
  CHECK(wrong([](auto& c) {
          c.interface.mtu = 1279;
          c.interface.addresses = {*parse_ip_prefix("10.0.0.1/24")};
          c.interface.cluster_networks = {};
        }).empty());
  CHECK(wrong([](auto& c) {
          c.interface.mtu = automatic_mtu;
          c.interface.cluster_networks = {*parse_ip_prefix("fd00::/8")};
        }).empty());
  CHECK(wrong([](auto& c) { c.interface.socket_folder = "run"; })
        == "interface.socket_folder");
  CHECK(wrong([](auto& c) {
          c.interface.addresses = {{*parse_ip_address("10.0.0.1"), 33}};
        })
        == "interface.addresses");
  CHECK(wrong([](auto& c) { c.peers[1].public_key = {}; })
        == "peers[1].public_key");
  CHECK(wrong([](auto& c) { c.peers[1].public_key = public_of(1); })
        == "peers[1].public_key");
  CHECK(wrong([](auto& c) { c.peers[0].name = "\n"; }) == "peers[0].name");
  CHECK(wrong([](auto& c) {
          c.peers[0].endpoint = host_endpoint{"a", 0};
        })
        == "peers[0].endpoint");
  CHECK(wrong([](auto& c) {
          c.peers[0].persistent_keepalive = std::chrono::seconds{-1};
        })
        == "peers[0].persistent_keepalive");
  CHECK(wrong([](auto& c) { c.peers[1].allowed_ips = {prefix("10.0.0.0/8")}; })
        == "peers[1].allowed_ips");
  CHECK(wrong([](auto& c) {
          c.peers[0].default_route = c.peers[1].default_route = true;
        })
        == "peers[1].default_route");
  CHECK(wrong([](auto& c) {
          c.peers[0].default_route = true;
          c.peers[1].allowed_ips = {prefix("0.0.0.0/0")};
        })
        == "peers[0].default_route");
  CHECK(wrong([](auto& c) {
          c.peers[0].default_route = true;
          c.peers[0].allowed_ips = {prefix("::/0")};
          c.peers[1].allowed_ips = {prefix("0.0.0.0/0")};
        }).empty());
}

TEST_CASE("A lock and a default route need a name that nftables takes") {
  const auto wrong_with = [](const char* name, auto edit) {
    return wrong([&](auto& c) {
      c.interface.name = name;
      edit(c);
    });
  };
  const auto lock = [](auto& c) { c.interface.kill_switch = true; };
  const auto lead = [](auto& c) { c.peers[0].default_route = true; };
  CHECK(wrong_with("a\"b", lock) == "interface.name");
  CHECK(wrong_with("a*", lead) == "interface.name");
  CHECK(wrong_with("a-b_c.1", lock) == "");
  CHECK(wrong_with("a*", [](auto&) {}) == "");
}

TEST_CASE("An offload has no mode that it has no use for") {
  const auto with = [](offload_config modes) {
    return wrong([&](auto& c) { c.offloads = modes; });
  };
  CHECK(with({offload_mode::on, offload_mode::automatic}) == "offloads.tun");
  CHECK(with({offload_mode::off, offload_mode::on, offload_mode::on})
        == "offloads.uring");
  CHECK(with({offload_mode::off, offload_mode::on, offload_mode::off}) == "");
}

TEST_CASE("The section control is checked, too") {
  const auto of_control
    = [](auto edit) { return wrong([&](auto& c) { edit(c.control); }); };
  CHECK(of_control([](auto& c) { c.socket_folder = "run"; })
        == "control.socket_folder");
  CHECK(of_control([](auto& c) { c.group = "a b"; }) == "control.group");
  CHECK(of_control([](auto& c) { c.roles["eve"] = control_role::node; })
        == "control.roles");
  CHECK(of_control([](auto& c) {
          open_door(c);
          c.listen->port = 0;
        })
        == "control.listen");
  CHECK(of_control([](auto& c) {
          open_door(c);
          c.ca.clear();
        })
        == "control.ca");
  CHECK(of_control([](auto& c) { c.socket_folder = "/var/run/wireguard"; })
        == "control");
}

TEST_CASE("A change is checked in what it states") {
  patch<peer_config> change;
  CHECK(validate(change)->field == "peer.public_key");
  change.public_key = public_of(1);
  CHECK_FALSE(validate(change));
  change.clear(&peer_config::endpoint);
  CHECK_FALSE(validate(change));
  change.set(&peer_config::persistent_keepalive, std::chrono::seconds{70'000});
  CHECK(validate(change)->field == "peer.persistent_keepalive");
}
