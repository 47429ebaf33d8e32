// Reference-counted buffers from pools of fixed size.  The pool is the flow
// control: whoever finds it empty stops reading until a buffer comes back.
#pragma once

#include <caf/intrusive_ptr.hpp>

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace weft {

template <class T>
class batch_pool;

/// Base of what a pool holds.  The last reference clears it and gives it back
/// to its pool; without a pool it is deleted.
template <class T>
class pooled {
public:
  pooled() = default;
  pooled(const pooled&) = delete;
  pooled& operator=(const pooled&) = delete;

  friend void intrusive_ptr_add_ref(const T* item) noexcept {
    item->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const T* item) noexcept {
    if (item->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      give_back(const_cast<T*>(item));
  }

  /// Buffers of its pool that are not lent out; without a pool there is no end.
  std::size_t left_in_pool() const {
    return pool_ ? pool_->left() : std::numeric_limits<std::size_t>::max();
  }
  /// Lent out or not.
  std::size_t size_of_pool() const {
    return pool_ ? pool_->size() : std::numeric_limits<std::size_t>::max();
  }

protected:
  ~pooled() = default;

private:
  friend class batch_pool<T>;

  static void give_back(T* item) noexcept {
    if (item->pool_)
      std::exchange(item->pool_, nullptr)->take_back(item);
    else
      delete item;
  }

  mutable std::atomic<std::size_t> references_{0};
  std::shared_ptr<batch_pool<T>> pool_; ///< set while it is lent out
  std::size_t number_ = 0;              ///< within the pool
};

/// At most 64 buffers.  acquire() is for one thread at a time; buffers come
/// back from any thread.  Buffers are made when they are first needed.
template <class T>
class batch_pool : public std::enable_shared_from_this<batch_pool<T>> {
public:
  using pointer = caf::intrusive_ptr<T>;

  explicit batch_pool(std::size_t size)
    : items_(size),
      free_(size == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1) {
    assert(size > 0 && size <= 64);
  }

  /// Called, on the thread of the release, when a buffer came back after
  /// acquire() had found none.
  void on_available(std::function<void()> wake) {
    // Buffers may come back on other threads at this moment.
    const std::lock_guard guard(wake_mutex_);
    wake_.swap(wake);
  }

  /// A cleared buffer; null if all are lent out, and then on_available's
  /// function is called once one is back.
  pointer acquire() {
    for (;;) {
      if (auto free = free_.load(std::memory_order_acquire); free != 0) {
        const auto number = static_cast<std::size_t>(std::countr_zero(free));
        free_.fetch_and(~(std::uint64_t{1} << number),
                        std::memory_order_acq_rel);
        return lend(number);
      }
      starved_.store(true);
      if (free_.load() == 0) {
        ++exhausted_;
        return nullptr;
      }
      starved_.store(false);
    }
  }

  // -- for reports, by the thread that acquires --

  std::size_t size() const {
    return items_.size();
  }
  std::size_t used() const {
    return size() - left();
  }
  std::size_t left() const {
    return static_cast<std::size_t>(std::popcount(free_.load()));
  }
  /// How often acquire() found none.
  std::uint64_t exhausted() const {
    return exhausted_;
  }

  /// A buffer in any case: one outside the pool if all are lent out.
  pointer acquire_or_make() {
    auto item = acquire();
    if (!item) {
      starved_.store(false);
      item.reset(new T);
    }
    return item;
  }

private:
  friend class pooled<T>;

  pointer lend(std::size_t number) {
    auto& item = items_[number];
    if (!item) {
      item = std::make_unique<T>();
      item->number_ = number;
    }
    item->pool_ = this->shared_from_this();
    return pointer{item.get()};
  }

  void take_back(T* item) noexcept {
    item->clear();
    free_.fetch_or(std::uint64_t{1} << item->number_);
    if (!starved_.load() || !starved_.exchange(false))
      return;
    std::function<void()> wake;
    {
      const std::lock_guard guard(wake_mutex_);
      wake = wake_;
    }
    if (wake)
      wake();
  }

  std::vector<std::unique_ptr<T>> items_;
  std::atomic<std::uint64_t> free_;
  std::atomic<bool> starved_{false};
  std::uint64_t exhausted_ = 0;
  std::mutex wake_mutex_;
  std::function<void()> wake_;
};

} // namespace weft
