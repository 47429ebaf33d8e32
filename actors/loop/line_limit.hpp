// Keeps those that a log is about from filling it.
#pragma once

#include "protocol/base/token_bucket.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <tuple>
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
    if (unsaid_ == 0 || now < summary_due())
      return 0;
    std::ignore = lines_.take(now);
    told_at_ = now;
    return std::exchange(unsaid_, 0);
  }
  /// When lines that were left out can be told of; nothing: there are none.
  std::optional<time_point> next_summary() const {
    const std::lock_guard guard(mutex_);
    return unsaid_ > 0 ? std::optional{summary_due()} : std::nullopt;
  }
  /// It is as if it were new.
  bool is_fresh(time_point now) const {
    const std::lock_guard guard(mutex_);
    return unsaid_ == 0 && lines_.is_full(now);
  }

private:
  /// Whoever goes on asks for no end of summaries either.
  static constexpr duration between_summaries = std::chrono::seconds{10};

  time_point summary_due() const {
    const auto next = lines_.available();
    return told_at_ ? std::max(next, *told_at_ + between_summaries) : next;
  }

  mutable std::mutex mutex_;
  token_bucket lines_;
  std::uint64_t unsaid_ = 0;
  std::optional<time_point> told_at_{}; ///< of those that were left out
};

} // namespace weft
