#include "example_device.hpp"
#include "tests/catch.hpp"
#include "tools/weft/view/status_text.hpp"

#include <nlohmann/json.hpp>

using namespace weft;
using nlohmann::json;

TEST_CASE("the JSON states everything about a device of weft") {
  auto device = example_device();
  device.offloads = {{"tun", true, ""}, {"udp send", false, "a doubt"}};
  device.cores = {3, 1, true, 40, 20, 10};
  device.bad_checksums = 7;
  device.peers[1].round_trip = 1200;
  device.peers[1].path_mtu = 1400;
  device.peers[1].too_big = 3;
  sort_peers(device);
  const auto all = json::parse(format_json({device}));
  const auto expected = json::parse(R"([{
    "interface": "weft0",
    "version": "1.2.3",
    "started": 1699827200,
    "link": "up",
    "addresses": ["10.0.0.1/24"],
    "routes": ["10.0.0.0/16"],
    "host": [],
    "public_key": "ERERERERERERERERERERERERERERERERERERERERERE=",
    "listen_port": 51820,
    "fwmark": 51820,
    "mtu": 1420,
    "remote_control": null,
    "lock": null,
    "access": {
      "operators": 1,
      "viewers": 2,
      "refused": null,
      "certificates": {"certificate": {"name": "n1", "not_after": 1724883200}}
    },
    "drops": {"no_route": 12, "bad_source": 0, "replayed": 3},
    "events": {"peer_up": 3, "peer_down": 0},
    "events_lost": 5,
    "pools": {"incoming": {"size": 4, "used": 1, "exhausted": 9}},
    "send_queue": 2,
    "offloads": {
      "tun": {"in_use": true, "reason": null},
      "udp send": {"in_use": false, "reason": "a doubt"}
    },
    "cores": {
      "in_use": 3,
      "failed": 1,
      "shared": true,
      "handed_over": 40,
      "without_place": 20,
      "without_core": 10
    },
    "bad_checksums": 7,
    "network": null,
    "peers": [{
      "name": "beta",
      "public_key": "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=",
      "state": "failing",
      "reason": "no answer",
      "cause": "no_answer",
      "state_since": 1699999910,
      "tries": 18,
      "endpoint": "192.0.2.7:51820",
      "endpoint_host": "beta.example.net:51820",
      "allowed_ips": ["10.0.0.2/32", "fd00::2/128"],
      "persistent_keepalive": 25,
      "last_handshake": 1699999935,
      "rx_bytes": 1536,
      "tx_bytes": 5000000,
      "rx_packets": 3,
      "tx_packets": 4000,
      "restarts": 1,
      "session_age": null,
      "drops": {},
      "round_trip_us": 1200,
      "path_mtu": 1400,
      "too_big": 3
    }, {
      "name": null,
      "public_key": "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM=",
      "state": "disabled",
      "reason": null,
      "cause": null,
      "state_since": 0,
      "tries": 0,
      "endpoint": null,
      "endpoint_host": null,
      "allowed_ips": [],
      "persistent_keepalive": 0,
      "last_handshake": null,
      "rx_bytes": 0,
      "tx_bytes": 0,
      "rx_packets": 0,
      "tx_packets": 0,
      "restarts": 0,
      "session_age": null,
      "drops": {},
      "round_trip_us": null,
      "path_mtu": null,
      "too_big": 0
    }]
  }])");
  CHECK(all == expected);
}

TEST_CASE("the JSON tells sessions and each peer's drops") {
  auto device = example_device();
  device.peers[1].session_age = std::chrono::seconds{64};
  device.peers[1].drops = {{"replayed", 3}};
  const auto all = json::parse(format_json({device}));
  const auto& peers = all.at(0).at("peers");
  CHECK(peers.at(0).at("session_age").is_null());
  CHECK(peers.at(0).at("drops") == json::object());
  CHECK(peers.at(1).at("session_age") == 64);
  CHECK(peers.at(1).at("drops") == json{{"replayed", 3}});
  CHECK(json::parse(format_peers_json(device)) == peers);
}

TEST_CASE("control characters in the JSON are escaped") {
  auto device = example_device();
  device.peers[1].name = "a\x1B[2J\xC2\x9B\x7F z\xC3\xBCrich";
  const auto text = format_json({device});
  CHECK(text.find("a\\u001b[2J\\u009b\\u007f z\xC3\xBCrich")
        != std::string::npos);
  CHECK(json::parse(text).at(0).at("peers").at(1).at("name")
        == device.peers[1].name);
}

TEST_CASE("the JSON says null where there is no key") {
  auto device = example_device();
  device.public_key = {};
  CHECK(json::parse(format_json({device})).at(0).at("public_key").is_null());
}

TEST_CASE("no devices are an empty JSON array") {
  CHECK(format_json({}) == "[]\n");
}

TEST_CASE("the JSON holds no secrets") {
  const auto device = example_device();
  const auto text = format_json({device});
  CHECK(text.find(to_base64(device.private_key.bytes())) == std::string::npos);
  CHECK(text.find(to_base64(device.peers[1].preshared_key.bytes()))
        == std::string::npos);
  CHECK(text.find("private") == std::string::npos);
  CHECK(text.find("preshared") == std::string::npos);
}

TEST_CASE("a name that is no UTF-8 leaves the JSON valid") {
  auto device = example_device();
  device.peers[1].name = "caf\xE9";
  const auto all = json::parse(format_json({device}));
  CHECK(all.at(0).at("peers").at(1).at("name") == "caf\xEF\xBF\xBD");
}
