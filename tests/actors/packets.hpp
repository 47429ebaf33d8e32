// Packets for the tests of packet ports.
#pragma once

#include "messages/host_writer.hpp"
#include "messages/packet_port.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/inner_packets.hpp"

namespace weft::test {

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
