// How long to wait before something that failed is tried again.
#pragma once

#include "protocol/base/random.hpp"

#include <algorithm>
#include <chrono>

namespace weft {

/// Twice as long each time, up to a limit, and each time a random part of the
/// second half of it: those that failed together don't come back together.
class back_off {
public:
  static constexpr std::chrono::milliseconds first{100};
  static constexpr std::chrono::milliseconds longest{3200};

  explicit back_off(random_source& random) : random_(random) {
  }

  std::chrono::milliseconds next() {
    const auto half = span_ / 2;
    span_ = std::min(span_ * 2, longest);
    return half
           + std::chrono::milliseconds{
             random_.next_u32() % static_cast<std::uint32_t>(half.count() + 1)};
  }

  /// After a success.
  void reset() {
    span_ = first;
  }

private:
  random_source& random_;
  std::chrono::milliseconds span_{first};
};

} // namespace weft
