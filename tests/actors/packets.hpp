// Packets for the tests of packet ports.
#pragma once

#include "messages/host_writer.hpp"
#include "messages/packet_port.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/inner_packets.hpp"

namespace weft::test {

/// An IPv4 UDP packet from 10.0.0.`from` to 10.0.0.`to`, or one of IPv6
/// between fd00::`from` and fd00::`to`, with a number.
inline bytes
numbered_packet(std::uint8_t from, std::uint8_t to, std::uint32_t number,
                std::size_t payload = 4, bool v4 = true) {
  inner_packet packet;
  packet.v4 = v4;
  packet.tcp = false;
  packet.source_host = from;
  packet.destination_host = to;
  packet.identification = static_cast<std::uint16_t>(number);
  packet.payload.resize(std::max<std::size_t>(payload, 4));
  store_be(packet.payload.data(), number);
  return build(packet);
}

/// What a peer sends the host's writer.
inline incoming_packets for_host(incoming_ptr batch, const peer_actor& peer) {
  return host_outbox().add({std::move(batch), 0, peer});
}

/// A copy of each packet.
inline std::vector<bytes> all_of(const packet_batch& batch) {
  std::vector<bytes> all;
  for (std::size_t i = 0; i < batch.size(); ++i)
    all.emplace_back(batch[i].begin(), batch[i].end());
  return all;
}

inline packet_batch batch_of(const std::vector<bytes>& packets) {
  packet_batch batch;
  for (const auto& packet : packets)
    REQUIRE(batch.add(packet));
  return batch;
}

} // namespace weft::test
