// A device with a peer of each kind.
#pragma once

#include "config/device_status.hpp"

#include <algorithm>

namespace weft {

inline public_key example_key(unsigned char fill) {
  public_key key;
  key.bytes.fill(std::byte{fill});
  return key;
}

inline constexpr wall_time example_now{std::chrono::seconds{1'700'000'000}};

inline device_status example_device() {
  using namespace std::chrono_literals;
  device_status device;
  device.interface = "weft0";
  device.version = "1.2.3";
  device.started = example_now - 48h;
  device.addresses = {*parse_ip_prefix("10.0.0.1/24")};
  device.routes = {*parse_ip_prefix("10.0.0.0/16")};
  device.public_key = example_key(0x11);
  std::ranges::fill(device.private_key.bytes(), std::byte{0xAA});
  device.listen_port = 51820;
  device.mtu = 1420;
  device.fwmark = 0xCA6C;
  device.drops = {{"no_route", 12}, {"bad_source", 0}, {"replayed", 3}};

  device.events = {{"peer_up", 3}, {"peer_down", 0}};
  device.events_lost = 5;
  device.pools = {{"incoming", 4, 1, 9}};
  device.send_queue = 2;
  device.access = {1, 2, {{"certificate", "n1", example_now + 288 * 24h}}, ""};

  peer_status beta;
  beta.name = "beta";
  beta.public_key = example_key(0x22);
  std::ranges::fill(beta.preshared_key.bytes(), std::byte{0xBB});
  beta.state = {peer_word::failing, "no answer", example_now - 90s, 18, {}};
  beta.endpoint = parse_endpoint("192.0.2.7:51820");
  beta.endpoint_host = "beta.example.net:51820";
  beta.allowed_ips
    = {*parse_ip_prefix("10.0.0.2/32"), *parse_ip_prefix("fd00::2/128")};
  beta.persistent_keepalive = 25s;
  beta.last_handshake = example_now - 64s - 500ms;
  beta.rx_bytes = 1536;
  beta.tx_bytes = 5'000'000;
  beta.rx_packets = 3;
  beta.tx_packets = 4000;
  beta.restarts = 1;

  peer_status silent;
  silent.public_key = example_key(0x33);
  device.peers = {silent, beta};
  return device;
}

} // namespace weft
