// Token buckets for handshake messages, one a source address.
#pragma once

#include "protocol/ip.hpp"
#include "protocol/random.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <unordered_map>

namespace weft {

/// Lets 20 handshakes a second through from each IPv4 address and each IPv6
/// /64, with bursts of 5.  The table is bounded: when it is full of sources
/// seen within the last second, new sources are refused.
class rate_limiter {
public:
  static constexpr unsigned per_second = 20;
  static constexpr unsigned burst = 5;
  static constexpr std::size_t default_capacity = 16384;

  explicit rate_limiter(random_source& random,
                        std::size_t capacity = default_capacity);

  /// Whether a handshake message from `source` may pass at `now`.
  bool allow(const ip_address& source, time_point now);

  /// Forgets sources that were silent for a second.
  void collect_garbage(time_point now);

  std::size_t size() const {
    return buckets_.size();
  }

private:
  struct bucket {
    time_point last;
    duration tokens;
  };
  struct keyed_hash {
    std::uint64_t k0, k1;
    std::size_t operator()(const ip_address& address) const noexcept;
  };
  std::size_t capacity_;
  time_point last_collection_{};
  std::unordered_map<ip_address, bucket, keyed_hash> buckets_;
};

} // namespace weft
