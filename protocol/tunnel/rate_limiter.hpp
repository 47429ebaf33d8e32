// Token buckets for handshake messages, one a source address.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/random.hpp"
#include "protocol/base/time.hpp"

#include <cstddef>
#include <list>
#include <unordered_map>

namespace weft {

/// Lets 20 handshakes a second through from each IPv4 address and each IPv6
/// /64, with bursts of 5.  The table is bounded: when it is full of sources
/// seen within the last second, new sources are refused.  A clock that goes
/// backwards costs a source at most the tokens it would have earned meanwhile.
class rate_limiter {
public:
  static constexpr unsigned per_second = 20;
  static constexpr unsigned burst = 5;
  static constexpr std::size_t default_capacity = 16384;

  /// `random` is used by the constructor only.
  explicit rate_limiter(random_source& random,
                        std::size_t capacity = default_capacity);
  rate_limiter(const rate_limiter&) = delete;
  rate_limiter& operator=(const rate_limiter&) = delete;

  /// Whether a handshake message from `source` may pass at `now`.
  bool allow(const ip_address& source, time_point now);

  /// Forgets sources that were silent for a second.
  void collect_garbage(time_point now);

  std::size_t size() const {
    return buckets_.size();
  }

private:
  struct bucket {
    ip_address network;
    time_point last;
    duration tokens;
  };
  using bucket_list = std::list<bucket>;

  /// SipHash with a random key: nobody can choose sources that collide.
  struct keyed_hash {
    explicit keyed_hash(random_source& random);
    std::size_t operator()(const ip_address& address) const noexcept;
    byte_array<16> key{};
  };

  /// Forgets the source that was silent for longest, if that is a second.
  bool forget_oldest(time_point now);

  std::size_t capacity_;
  bucket_list buckets_; ///< the one silent for longest is first
  std::unordered_map<ip_address, bucket_list::iterator, keyed_hash> by_network_;
};

} // namespace weft
