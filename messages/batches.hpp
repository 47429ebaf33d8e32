// The two kinds of batches, which are what the packet actors send each other.
#pragma once

#include "config/device_status.hpp"
#include "messages/batch_pool.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/packets/congestion_mark.hpp"
#include "protocol/packets/datagram_buffer.hpp"

#include <array>
#include <memory>
#include <vector>

namespace weft {

/// Memory that is touched only where data arrives.
// NOLINTBEGIN(modernize-avoid-c-arrays): there is no other spelling of it.
using untouched_memory = std::unique_ptr<std::byte[]>;
inline untouched_memory allocate_untouched(std::size_t size) {
  return std::make_unique_for_overwrite<std::byte[]>(size);
}
// NOLINTEND(modernize-avoid-c-arrays)

/// Packets of one peer on their way out: plain at first, sealed in place by
/// the peer, then datagrams.
class outgoing_batch : public pooled<outgoing_batch> {
public:
  /// Room for a super-packet of 64 KiB in segments of 1420 bytes, and most of a
  /// second one.
  static constexpr std::size_t capacity = std::size_t{128} << 10;

  outgoing_batch() : outgoing_batch(capacity) {
  }
  explicit outgoing_batch(std::size_t size)
    : memory_(allocate_untouched(size)),
      datagrams(byte_span{memory_.get(), size}) {
  }

  void clear() {
    datagrams.clear();
  }

private:
  untouched_memory memory_;

public:
  datagram_buffer datagrams;
};

using outgoing_pool = batch_pool<outgoing_batch>;
using outgoing_ptr = outgoing_pool::pointer;

/// What one receive call yielded: datagrams of several peers.  Those of one
/// peer form a chain, in the order of their arrival.
class incoming_batch : public pooled<incoming_batch> {
public:
  static constexpr std::uint16_t end = 0xffff;

  /// How datagrams came.
  struct arrival : network_path {
    congestion_mark mark = congestion_mark::not_capable;
  };

  struct datagram {
    byte_span bytes;
    std::uint16_t path = 0;   ///< number in `paths`
    std::uint16_t next = end; ///< number of the peer's next datagram
    /// Its tag was right; known once it was opened away from its session.
    bool opened = false;
  };

  /// `size` bytes of receive memory.
  explicit incoming_batch(std::size_t size);
  /// As much as one receive call can fill.
  incoming_batch();

  void clear() {
    datagrams.clear();
    paths.clear();
  }
  byte_span memory() const {
    return {memory_.get(), size_};
  }

  std::vector<datagram> datagrams;
  std::vector<arrival> paths;

private:
  std::size_t size_;
  untouched_memory memory_;
};

using incoming_pool = batch_pool<incoming_batch>;

/// For a report, under this name.
template <class T>
pool_use use_of(const batch_pool<T>& pool, std::string name) {
  return {std::move(name), pool.size(), pool.used(), pool.exhausted()};
}
using incoming_ptr = incoming_pool::pointer;

} // namespace weft
