// The cores that the overlays of one process share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace weft {

/// More threads that are busy than cores would wait for each other: whoever
/// holds the next batch may be the one that has none.
class core_budget {
public:
  explicit core_budget(std::size_t cores)
    : left_(static_cast<std::ptrdiff_t>(cores)) {
  }

  /// What one overlay has of it; given back at the end.
  class share {
  public:
    share() = default;
    share(std::shared_ptr<core_budget> from, std::size_t count)
      : from_(std::move(from)), count_(count) {
    }
    share(share&& other) noexcept
      : from_(std::move(other.from_)), count_(other.count_) {
    }
    share& operator=(share&& other) noexcept {
      std::swap(from_, other.from_);
      std::swap(count_, other.count_);
      return *this;
    }
    ~share() {
      if (from_)
        from_->left_ += static_cast<std::ptrdiff_t>(count_);
    }
    std::size_t count() const {
      return count_;
    }

  private:
    std::shared_ptr<core_budget> from_; ///< null: of nobody's budget
    std::size_t count_ = 1;
  };

  /// Up to `wanted` cores, but one at least: an overlay needs one, whatever
  /// others have.  From any thread.
  static share
  take(const std::shared_ptr<core_budget>& from, std::size_t wanted) {
    wanted = std::max<std::size_t>(wanted, 1);
    if (!from)
      return {nullptr, wanted};
    auto left = from->left_.load();
    std::size_t given = 1;
    do {
      given = std::clamp<std::size_t>(
        left > 0 ? static_cast<std::size_t>(left) : 0, 1, wanted);
    } while (!from->left_.compare_exchange_weak(
      left, left - static_cast<std::ptrdiff_t>(given)));
    return {from, given};
  }

private:
  std::atomic<std::ptrdiff_t> left_; ///< below 0: some have one regardless
};

} // namespace weft
