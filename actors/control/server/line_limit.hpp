// Keeps those that a log is about from filling it.
#pragma once

#include "protocol/base/token_bucket.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace weft {

/// For any thread.
class line_limit {
public:
  line_limit(std::uint32_t most, duration interval) : lines_(most, interval) {
  }

  /// Whether a line may be written.
  bool allows(time_point now) {
    const std::lock_guard guard(mutex_);
    if (lines_.take(now))
      return true;
    ++unsaid_;
    return false;
  }
  /// How many were left out, if it may be said now; it is the last time that it
  /// is.
  std::uint64_t take_unsaid(time_point now) {
    const std::lock_guard guard(mutex_);
    return unsaid_ > 0 && lines_.take(now) ? std::exchange(unsaid_, 0) : 0;
  }
  /// When lines that were left out can be told of; nothing: there are none.
  std::optional<time_point> next_summary() const {
    const std::lock_guard guard(mutex_);
    return unsaid_ > 0 ? std::optional{lines_.available()} : std::nullopt;
  }
  /// It is as if it were new.
  bool is_fresh(time_point now) const {
    const std::lock_guard guard(mutex_);
    return unsaid_ == 0 && lines_.is_full(now);
  }

private:
  mutable std::mutex mutex_;
  token_bucket lines_;
  std::uint64_t unsaid_ = 0;
};

} // namespace weft
