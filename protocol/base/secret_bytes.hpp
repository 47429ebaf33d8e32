// Bytes that must not stay in memory, in any number.
#pragma once

#include "protocol/base/wipe.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace weft {

/// Wipes what it gives back, so that nothing stays where a growing container
/// was.
template <class T>
struct wiping_allocator {
  using value_type = T;

  wiping_allocator() = default;
  template <class Other>
  wiping_allocator(const wiping_allocator<Other>&) noexcept { // NOLINT
  }
  T* allocate(std::size_t count) {
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    wipe_memory(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  bool operator==(const wiping_allocator&) const = default;
};

using secret_bytes = std::vector<std::byte, wiping_allocator<std::byte>>;

} // namespace weft
