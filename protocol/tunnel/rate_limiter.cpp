#include "protocol/tunnel/rate_limiter.hpp"

#include "protocol/base/sodium.hpp"

#include <algorithm>

namespace weft {

namespace {

using namespace std::chrono_literals;

// Tokens are time: a message costs what it takes to earn it back.
constexpr duration message_cost = duration(1s) / rate_limiter::per_second;
constexpr duration most_tokens = message_cost * rate_limiter::burst;

/// Silence after which a bucket says nothing that a new one would not.
constexpr duration forget_after = 1s;
static_assert(forget_after >= most_tokens);

/// The network that one host can choose its addresses from.
ip_address limited_network(const ip_address& source) {
  auto network = source;
  if (!source.is_v4())
    std::fill(network.bytes.begin() + 8, network.bytes.end(), std::byte{0});
  return network;
}

/// Also true for a bucket from the future: the clock went backwards, and
/// nobody can tell how old the bucket is.
bool is_silent(time_point last, time_point now) {
  return std::chrono::abs(now - last) >= forget_after;
}

} // namespace

std::size_t
rate_limiter::keyed_hash::operator()(const ip_address& address) const noexcept {
  static_assert(sizeof key == crypto_shorthash_KEYBYTES);
  byte_array<crypto_shorthash_BYTES> digest{};
  crypto_shorthash(sodium::raw(digest.data()),
                   sodium::raw(address.bytes.data()), address.bytes.size(),
                   sodium::raw(key.data()));
  return load_le<std::uint64_t>(digest.data());
}

rate_limiter::keyed_hash::keyed_hash(random_source& random) {
  sodium::ensure_ready();
  random.fill(key);
}

rate_limiter::rate_limiter(random_source& random, std::size_t capacity)
  : capacity_(capacity), by_network_(0, keyed_hash(random)) {
}

bool rate_limiter::allow(const ip_address& source, time_point now) {
  const auto network = limited_network(source);
  if (auto found = by_network_.find(network); found != by_network_.end()) {
    // Most recently heard last.
    buckets_.splice(buckets_.end(), buckets_, found->second);
    auto& known = *found->second;
    const auto elapsed = std::clamp(now - known.last, duration(0), most_tokens);
    known.tokens = std::min(known.tokens + elapsed, most_tokens);
    known.last = now;
    if (known.tokens < message_cost)
      return false;
    known.tokens -= message_cost;
    return true;
  }
  if (buckets_.size() >= capacity_ && !forget_oldest(now))
    return false;
  buckets_.push_back({network, now, most_tokens - message_cost});
  by_network_.emplace(network, std::prev(buckets_.end()));
  return true;
}

bool rate_limiter::forget_oldest(time_point now) {
  if (buckets_.empty() || !is_silent(buckets_.front().last, now))
    return false;
  by_network_.erase(buckets_.front().network);
  buckets_.pop_front();
  return true;
}

void rate_limiter::collect_garbage(time_point now) {
  while (forget_oldest(now)) {
  }
}

} // namespace weft
