// What `get=1` with `weft=1` asks for and gets.

#include "config/uapi_codec.hpp"
#include "tests/catch.hpp"

#include <algorithm>
#include <cerrno>

using namespace weft;
using namespace std::chrono_literals;

namespace {

device_status example() {
  device_status device;
  std::ranges::fill(device.private_key.bytes(), std::byte{0x42});
  clamp(device.private_key);
  device.public_key = derive_public_key(device.private_key);
  device.listen_port = 51820;
  device.mtu = 1380;
  device.drops = {{"no_route", 12}, {"replayed", 0}};
  peer_status named;
  named.name = "beta = 2";
  named.public_key.bytes.fill(std::byte{1});
  std::ranges::fill(named.preshared_key.bytes(), std::byte{0x77});
  named.endpoint = parse_endpoint("192.0.2.7:51820");
  named.endpoint_host = "beta.example.net:51820";
  named.allowed_ips = {*parse_ip_prefix("10.0.0.2/32")};
  named.last_handshake = wall_time{1'700'000'000s + 5ns};
  named.rx_bytes = 1;
  named.tx_bytes = 2;
  named.rx_packets = 18'446'744'073'709'551'615U;
  named.tx_packets = 4;
  named.restarts = 5;
  peer_status bare;
  bare.public_key.bytes.fill(std::byte{2});
  device.peers = {named, bare};
  return device;
}

} // namespace

TEST_CASE("a get request may ask for weft's own keys") {
  const auto plain = parse_uapi_request("get=1");
  REQUIRE(plain);
  CHECK_FALSE(std::get<uapi_get>(*plain).extended);
  const auto extended = parse_uapi_request("get=1\nweft=1");
  REQUIRE(extended);
  CHECK(std::get<uapi_get>(*extended).extended);

  uapi_reader reader;
  REQUIRE(reader.add("get=1\nweft=1\n\nget=1\n\n"));
  auto first = reader.next();
  REQUIRE((first && *first));
  CHECK(std::get<uapi_get>(**first).extended);
  auto second = reader.next();
  REQUIRE((second && *second));
  CHECK_FALSE(std::get<uapi_get>(**second).extended);
}

TEST_CASE("a get request takes no other keys") {
  for (const auto* text :
       {"get=1\nweft=2", "get=1\nweft", "get=1\nlisten_port=1",
        "get=1\nweft=1\nfwmark=1", "set=1\nweft=1"}) {
    const auto request = parse_uapi_request(text);
    REQUIRE_FALSE(request);
    CHECK(request.error().code == EINVAL);
  }
}

TEST_CASE("the plain answer has nothing of weft's own") {
  const auto text = format_uapi_status(example());
  CHECK(text.find("weft") == std::string::npos);
  CHECK(text.find("private_key=") != std::string::npos);
  CHECK(text.find("preshared_key=") != std::string::npos);
}

TEST_CASE("the extended answer has no secrets") {
  const auto device = example();
  const auto text = format_uapi_status(device, true);
  CHECK(text.find("private_key") == std::string::npos);
  CHECK(text.find("preshared_key") == std::string::npos);
  CHECK(text.find(to_hex(device.private_key.bytes())) == std::string::npos);
  CHECK(text.find(to_hex(device.peers[0].preshared_key.bytes()))
        == std::string::npos);
}

TEST_CASE("a peer's name follows its key at once") {
  const auto device = example();
  const auto text = format_uapi_status(device, true);
  CHECK(text.find("public_key=" + to_hex(device.peers[0].public_key.bytes)
                  + "\nweft_name=beta = 2\n")
        != std::string::npos);
}

TEST_CASE("the extended answer is read back as it was, without secrets") {
  const auto device = example();
  const auto read = parse_uapi_status(format_uapi_status(device, true));
  REQUIRE(read);
  CHECK(read->private_key.is_zero());
  CHECK(read->public_key == device.public_key);
  CHECK(read->listen_port == 51820);
  CHECK(read->mtu == 1380);
  REQUIRE(read->drops.size() == 2);
  CHECK(read->drops[0].reason == "no_route");
  CHECK(read->drops[0].packets == 12);
  CHECK(read->drops[1].reason == "replayed");
  CHECK(read->drops[1].packets == 0);
  REQUIRE(read->peers.size() == 2);
  const auto& peer = read->peers[0];
  CHECK(peer.name == "beta = 2");
  CHECK(peer.preshared_key.is_zero());
  CHECK(peer.endpoint == device.peers[0].endpoint);
  CHECK(peer.endpoint_host == "beta.example.net:51820");
  CHECK(peer.allowed_ips == device.peers[0].allowed_ips);
  CHECK(peer.last_handshake == device.peers[0].last_handshake);
  CHECK(peer.rx_bytes == 1);
  CHECK(peer.tx_bytes == 2);
  CHECK(peer.rx_packets == 18'446'744'073'709'551'615U);
  CHECK(peer.tx_packets == 4);
  CHECK(peer.restarts == 5);
  CHECK(read->peers[1].name.empty());
  CHECK(read->peers[1].endpoint_host.empty());
  CHECK(read->peers[1].restarts == 0);
}

TEST_CASE("a device without a key says nothing of a public key") {
  device_status device;
  device.mtu = 1420;
  const auto text = format_uapi_status(device, true);
  CHECK(text == "weft_mtu=1420\nerrno=0\n\n");
  const auto read = parse_uapi_status(text);
  REQUIRE(read);
  CHECK(read->public_key.is_zero());
}

TEST_CASE("a name cannot forge lines of the answer") {
  auto device = example();
  device.peers[0].name = "a\nrx_bytes=7\n\nerrno=0";
  device.peers[0].endpoint_host = "b\n\n";
  const auto read = parse_uapi_status(format_uapi_status(device, true));
  REQUIRE(read);
  REQUIRE(read->peers.size() == 2);
  CHECK(read->peers[0].name == "arx_bytes=7errno=0");
  CHECK(read->peers[0].rx_bytes == 1);
}

TEST_CASE("keys of weft's that are malformed make the answer malformed") {
  const std::string peer = "public_key=" + std::string(64, '1') + "\n";
  for (const auto& lines :
       {std::string("weft_mtu=65536\n"), std::string("weft_mtu=\n"),
        std::string("weft_public_key=00\n"), std::string("weft_drop_x=-1\n"),
        peer + "weft_rx_packets=x\n", peer + "weft_tx_packets=\n",
        peer + "weft_restarts=18446744073709551616\n"}) {
    INFO(lines);
    CHECK_FALSE(parse_uapi_status(lines + "errno=0\n\n"));
  }
}

TEST_CASE("keys of a later weft are skipped") {
  const auto read
    = parse_uapi_status("weft_later=1\npublic_key=" + std::string(64, '1')
                        + "\nweft_even_later=2\nerrno=0\n\n");
  REQUIRE(read);
  CHECK(read->peers.size() == 1);
}
