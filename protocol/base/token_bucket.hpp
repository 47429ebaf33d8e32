// Bounds how often something is done.
#pragma once

#include "protocol/base/time.hpp"

#include <algorithm>

namespace weft {

/// So many times at once, and then one in each interval.  A clock that goes
/// backwards fills it.
class token_bucket {
public:
  constexpr token_bucket(unsigned burst, duration interval)
    : interval_(interval), most_(interval * burst) {
  }

  bool has(time_point now) const {
    const auto missing = full_at_ - now;
    return missing <= most_ - interval_ || missing > most_;
  }
  /// Whether there was one to take.
  bool take(time_point now) {
    if (!has(now))
      return false;
    if (full_at_ - now > most_)
      full_at_ = now;
    full_at_ = std::max(full_at_, now) + interval_;
    return true;
  }
  /// When there is one.
  time_point available() const {
    return full_at_ - (most_ - interval_);
  }
  bool is_full(time_point now) const {
    return full_at_ <= now;
  }

private:
  duration interval_;
  duration most_;
  time_point full_at_{}; ///< when nothing will be missing any more
};

} // namespace weft
