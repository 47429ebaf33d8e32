// How often something may happen: so many times at once, then again and again
// after an interval.
#pragma once

#include "protocol/base/time.hpp"

#include <algorithm>
#include <cstdint>

namespace weft {

class token_bucket {
public:
  /// `most` at once, and one more each `interval`.
  constexpr token_bucket(std::uint32_t most, duration interval)
    : most_(most), interval_(interval) {
  }

  /// Takes one, if there is one at `now`.
  bool take(time_point now) {
    if (now < available())
      return false;
    full_at_ = std::max(full_at_, now) + interval_;
    return true;
  }
  /// When there is one.
  time_point available() const {
    return full_at_ - (most_ - 1) * interval_;
  }
  bool is_full(time_point now) const {
    return full_at_ <= now;
  }

private:
  std::int64_t most_;
  duration interval_;
  time_point full_at_{};
};

} // namespace weft
