// Keeps whoever knocks from filling the log.
#pragma once

#include "protocol/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace weft {

/// Ten lines at once, then one each second.
class refusal_log {
public:
  static constexpr std::uint32_t most = 10;
  static constexpr std::chrono::seconds interval{1};

  /// Whether a line may be written.
  bool allows(time_point now) {
    const auto earned = (now - last_) / interval;
    if (earned > 0) {
      last_ += earned * interval;
      left_ = static_cast<std::uint32_t>(
        std::min<std::int64_t>(most, left_ + earned));
    }
    if (left_ == 0) {
      ++unsaid_;
      return false;
    }
    --left_;
    return true;
  }
  /// Lines that were left out since the last call.
  std::uint64_t take_unsaid() {
    return std::exchange(unsaid_, 0);
  }

private:
  std::uint32_t left_ = most;
  std::uint64_t unsaid_ = 0;
  time_point last_{};
};

} // namespace weft
