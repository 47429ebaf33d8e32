// Overlays that a service embeds: without a device, and without privileges.
#pragma once

#include "actors/overlay/start_overlay.hpp"
#include "tests/actors/packets.hpp"
#include "tests/actors/support.hpp"

namespace weft::test {

/// An overlay with a packet port and a consumer that records packets.
class embedded_overlay {
public:
  /// Its address is 10.0.0.`number`, and fd00::`number`.
  embedded_overlay(world& home, random_source& random, std::uint8_t number)
    : consumer(home), home_(home), number_(number) {
    auto& interface = options.config.interface;
    interface.name = "weft" + std::to_string(number);
    interface.private_key = generate_private_key(random);
    interface.listen = *parse_endpoint("127.0.0.1:0");
    key = derive_public_key(interface.private_key);
    options.device = use_packet_port{consumer.handle()};
    consumer.on<received_packets>(
      [to = log](const received_packets& message) -> caf::result<void> {
        for (auto& packet : all_of(message.packets))
          to->push(std::move(packet));
        return caf::unit;
      });
  }

  embedded_overlay(const embedded_overlay&) = delete;
  embedded_overlay& operator=(const embedded_overlay&) = delete;
  ~embedded_overlay() {
    caf::anon_send(running.actor, shut_down{}); // if it has not ended before
  }

  /// How others are to be told of this one.  It must have been started to have
  /// an endpoint.
  peer_config as_peer() const {
    peer_config peer;
    peer.name = options.config.interface.name;
    peer.public_key = key;
    peer.allowed_ips = {*parse_ip_prefix("10.0.0." + std::to_string(number_)),
                        *parse_ip_prefix("fd00::" + std::to_string(number_))};
    if (running.port != 0)
      peer.endpoint
        = *parse_endpoint("127.0.0.1:" + std::to_string(running.port));
    return peer;
  }
  /// Starts it with peers that it knows.
  void start(const std::vector<const embedded_overlay*>& peers) {
    for (const auto* peer : peers)
      options.config.peers.push_back(peer->as_peer());
    auto started = start_overlay(home_.system(), std::move(options));
    if (!started)
      throw std::runtime_error(started.error().message);
    running = std::move(*started);
  }
  void stop() {
    caf::anon_send(running.actor, shut_down{});
    home_.await_end(running.actor);
    running = {};
  }

  std::uint32_t send(const std::vector<bytes>& packets) {
    return home_.ask<std::uint32_t>(running.packets,
                                    send_packets{batch_of(packets)});
  }
  bytes next() {
    return log->next<bytes>();
  }
  device_status status() {
    return home_.ask<device_status>(running.actor, get_status{});
  }
  /// Of the device and its peers.
  std::uint64_t drops(drop_reason reason) {
    for (const auto& count : status().drops) {
      if (count.reason == to_string(reason))
        return count.packets;
    }
    return 0;
  }

  overlay_options options; ///< until it is started
  public_key key;
  /// Packets, as `bytes`.
  message_log_ptr log = std::make_shared<message_log>();
  running_overlay running;
  fake<packet_consumer> consumer;

private:
  world& home_;
  std::uint8_t number_;
};

/// Two of them that are each other's peers; the second one learns from the
/// first one's handshake where it is.
struct embedded_pair {
  embedded_pair() {
    right.start({&left});
    left.start({&right});
  }

  deterministic_random random{51};
  world home;
  embedded_overlay left{home, random, 1};
  embedded_overlay right{home, random, 2};
};

} // namespace weft::test
