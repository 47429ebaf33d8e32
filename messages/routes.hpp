// The snapshot that readers route packets with.
#pragma once

#include "messages/peer.hpp"
#include "protocol/tunnel/allowed_ips.hpp"
#include "protocol/tunnel/receiver_index.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <vector>

namespace weft {

/// Peers by slot.  A copy shares what it holds with the original; changing one
/// peer copies one chunk.
class peer_table {
public:
  /// Null where there is no peer.
  const peer_actor* find(std::uint32_t slot) const {
    const auto chunk = slot / chunk_size;
    if (chunk >= chunks_.size() || !chunks_[chunk])
      return nullptr;
    const auto& entry = (*chunks_[chunk])[slot % chunk_size];
    return entry ? &entry : nullptr;
  }

  void set(std::uint32_t slot, peer_actor peer) {
    const auto number = slot / chunk_size;
    if (number >= chunks_.size())
      chunks_.resize(number + 1);
    auto& shared = chunks_[number];
    // Only the owner of the table hands out copies, so nobody can start to
    // share a chunk that it alone holds.
    if (!shared || shared.use_count() > 1)
      shared = shared ? std::make_shared<chunk_type>(*shared)
                      : std::make_shared<chunk_type>();
    else // use_count() is relaxed: what former sharers read, they have read
      std::atomic_thread_fence(std::memory_order_acquire);
    (*shared)[slot % chunk_size] = std::move(peer);
  }

private:
  static constexpr std::uint32_t chunk_size = 256;
  using chunk_type = std::array<peer_actor, chunk_size>;
  std::vector<std::shared_ptr<chunk_type>> chunks_;
};

/// Who gets a packet: by destination address, and by receiver index.
class routes {
public:
  routes(allowed_ips prefixes, peer_table peers,
         std::shared_ptr<const receiver_index_codec> indices)
    : prefixes_(std::move(prefixes)), peers_(std::move(peers)),
      indices_(std::move(indices)) {
  }

  /// The slot of the peer whose allowed IPs hold `address`.
  std::optional<std::uint32_t> slot_of(const ip_address& address) const {
    return prefixes_.lookup(address);
  }
  /// The slot that `index` was made for, if it is one of ours.
  std::uint32_t slot_of_index(std::uint32_t index) const {
    return indices_->slot(index);
  }
  const peer_actor* peer(std::uint32_t slot) const {
    return peers_.find(slot);
  }

private:
  allowed_ips prefixes_;
  peer_table peers_;
  std::shared_ptr<const receiver_index_codec> indices_;
};

} // namespace weft
