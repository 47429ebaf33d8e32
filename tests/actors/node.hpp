// One side of a tunnel for tests: what peer actors need around them, with
// fakes for the socket and the timer and a record instead of a TUN device.
#pragma once

#include "actors/packets/host_writer.hpp"
#include "actors/peers/peer.hpp"
#include "platform/clock.hpp"
#include "tests/actors/support.hpp"
#include "tests/protocol/inner_packets.hpp"

namespace weft::test {

/// An inner UDP packet from 10.0.0.`from` to 10.0.0.`to`.
inline bytes udp_packet(std::uint8_t from, std::uint8_t to, std::size_t payload,
                        std::uint32_t number = 0) {
  return numbered_packet(from, to, number, payload);
}

inline ip_prefix prefix_of(const std::string& text) {
  const auto parsed = parse_ip_prefix(text);
  if (!parsed)
    FAIL(text);
  return *parsed;
}

inline endpoint endpoint_of(const std::string& text) {
  const auto parsed = parse_endpoint(text);
  if (!parsed)
    FAIL(text);
  return *parsed;
}

/// Packets to be sealed, in a batch of their own.
inline outgoing_packets
outgoing_of(const std::vector<bytes>& packets, std::size_t mtu = 1420) {
  outgoing_ptr batch{new outgoing_batch};
  for (const auto& packet : packets) {
    const auto room
      = batch->datagrams.add(packet.size(), padded_length(packet.size(), mtu),
                             datagram_buffer::contents::may_hold_message,
                             congestion_mark_of(packet));
    REQUIRE(room.size() == packet.size());
    std::copy(packet.begin(), packet.end(), room.begin());
  }
  return {batch};
}

/// The types of the datagrams in a batch.
inline std::vector<message_type> types_in(const outgoing_datagrams& sent) {
  std::vector<message_type> types;
  const auto& datagrams = sent.batch->datagrams;
  for (std::size_t i = 0; i < datagrams.size(); ++i)
    types.push_back(wire::classify(datagrams[i]).value());
  return types;
}

/// A host: who it is, where it is, and what its peers share.
class node {
public:
  node(world& home, const io_loop_ptr& on, std::uint8_t number)
    : loop(on), random(number),
      self(std::make_shared<identity>(generate_private_key(random))),
      indices(std::make_shared<receiver_index_codec>(random)),
      address(endpoint_of("192.0.2." + std::to_string(number) + ":51820")),
      socket(home), clock(home), registry(home), events(home),
      writer(home.spawn<host_writer>(
        loop, packet_sink{{false, false},
                          [this](const super_packet& packet) {
                            return take(packet);
                          }})),
      space(std::make_shared<workspace>(indices)) {
  }

  const public_key& key() const {
    return self->public_static();
  }
  peer_neighbours neighbours() const {
    return {socket.handle(), writer, clock.handle(), registry.handle(),
            events.handle()};
  }
  /// How this node would be configured as a peer of another one.
  peer_config as_peer() const {
    peer_config settings;
    settings.public_key = key();
    settings.endpoint = address;
    return settings;
  }
  peer_actor
  spawn_peer(world& home, std::uint32_t slot, const peer_config& settings) {
    auto made = home.spawn<peer>(loop, space, neighbours(), self, slot,
                                 session_ended{}, settings);
    caf::anon_send(made, peer_published{});
    return made;
  }
  /// Routes that let the slots have prefixes.
  void
  allow(const std::vector<std::pair<std::string, std::uint32_t>>& prefixes) {
    allowed_ips table;
    for (const auto& [prefix, slot] : prefixes)
      table.insert(prefix_of(prefix), slot);
    allowed = std::make_shared<routes>(table, peer_table{}, indices);
  }

  io_loop_ptr loop;
  deterministic_random random;
  std::shared_ptr<const identity> self;
  std::shared_ptr<const receiver_index_codec> indices;
  endpoint address;
  std::optional<source_address> local; ///< where its datagrams come to
  fake<udp_port_actor> socket;
  fake<timer_actor> clock;
  fake<registry_actor> registry;
  fake<event_hub_actor> events;
  host_writer_actor writer;
  message_log delivered; ///< packets for the host, as `bytes`
  std::function<tun_device::io_status()> device; ///< what the device does
  workspace_ptr space;
  routes_ptr allowed;

private:
  tun_device::io_status take(const super_packet& packet) {
    const auto status = device ? device() : tun_device::io_status::ok;
    if (status != tun_device::io_status::ok)
      return status;
    bytes whole;
    for (const auto& fragment : packet.fragments)
      whole.insert(whole.end(), fragment.begin(), fragment.end());
    delivered.push(std::move(whole));
    return status;
  }
};

/// Hands datagrams to an actor, as socket and gate would; the network has given
/// them this mark.
inline void carry(const outgoing_datagrams& sent, const endpoint& from,
                  const node& to, const peer_actor& actor,
                  congestion_mark mark = congestion_mark::not_capable) {
  const network_path path{from, to.local};
  incoming_ptr chain{new incoming_batch(outgoing_batch::capacity)};
  std::size_t used = 0;
  const auto& datagrams = sent.batch->datagrams;
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    const auto datagram = datagrams[i];
    const auto type = wire::classify(datagram);
    REQUIRE(type);
    if (*type == message_type::initiation) {
      auto claim = noise_claim::open(
        *to.self, const_byte_span(datagram).first<wire::initiation_size>());
      REQUIRE(claim);
      caf::anon_send(
        actor, initiation_received{
                 std::make_shared<const noise_claim>(std::move(*claim)), path});
    } else if (*type == message_type::transport) {
      const auto place = chain->memory().subspan(used, datagram.size());
      std::copy(datagram.begin(), datagram.end(), place.begin());
      used += datagram.size();
      if (!chain->datagrams.empty())
        chain->datagrams.back().next
          = static_cast<std::uint16_t>(chain->datagrams.size());
      chain->datagrams.push_back({place, 0});
    } else {
      handshake_message message;
      std::copy(datagram.begin(), datagram.end(), message.bytes.begin());
      message.size = static_cast<std::uint8_t>(datagram.size());
      message.path = path;
      caf::anon_send(actor, answer_received{message});
    }
  }
  if (chain->datagrams.empty())
    return;
  chain->paths.push_back({path, mark});
  caf::anon_send(actor, incoming_datagrams{chain, 0, to.allowed});
}

/// A node and its actor for the node at the other end.
struct tunnel_end {
  node& host;
  peer_actor actor;

  /// Whatever was sent to the actor has been dealt with, and so has what it
  /// gave to the host.
  peer_report report(world& home, bool secrets = false) const {
    home.ask<peer_report>(actor, report_request{});
    CHECK_FALSE(home.command(host.writer, finish_writing{}));
    return home.ask<peer_report>(actor, report_request{secrets});
  }
  /// What it has sent since the last call.
  std::vector<outgoing_datagrams> sent(world& home) const {
    report(home);
    host.socket.settle();
    return host.socket.take<outgoing_datagrams>();
  }
};

/// Of what its peers have told since the last call: handshakes that were
/// completed, and whether they are up.
inline std::vector<overlay_event> ups_and_downs(node& host) {
  host.events.settle();
  auto all = host.events.take<overlay_event>();
  std::erase_if(all, [](const overlay_event& event) {
    return event.kind != event_kind::handshake_completed
           && event.kind != event_kind::peer_up
           && event.kind != event_kind::peer_down;
  });
  return all;
}
inline std::vector<event_kind>
kinds_in(const std::vector<overlay_event>& events) {
  std::vector<event_kind> all;
  for (const auto& event : events)
    all.push_back(event.kind);
  return all;
}

/// Carries datagrams both ways until both ends are silent.  Returns their
/// types, in order.
inline std::vector<message_type>
exchange(world& home, const tunnel_end& a, const tunnel_end& b) {
  std::vector<message_type> types;
  for (bool silent = false; !silent;) {
    silent = true;
    for (const auto& [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      for (const auto& sent : from->sent(home)) {
        silent = false;
        CHECK(sent.path.remote == to->host.address);
        for (const auto type : types_in(sent))
          types.push_back(type);
        carry(sent, from->host.address, to->host, to->actor);
      }
    }
  }
  return types;
}

} // namespace weft::test
