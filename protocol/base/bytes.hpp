// Spans of bytes, and little- and big-endian loads and stores.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace weft {

using byte_span = std::span<std::byte>;
using const_byte_span = std::span<const std::byte>;

template <std::size_t N>
using byte_array = std::array<std::byte, N>;

/// Loads an unsigned integer in little-endian order (WireGuard's wire order).
template <std::unsigned_integral T>
T load_le(const std::byte* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value | (static_cast<T>(from[i]) << (8 * i)));
  return value;
}

/// Stores an unsigned integer in little-endian order.
template <std::unsigned_integral T>
void store_le(std::byte* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    to[i] = static_cast<std::byte>(value >> (8 * i));
}

/// Loads an unsigned integer in big-endian order (network order).
template <std::unsigned_integral T>
T load_be(const std::byte* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>((value << 8) | static_cast<T>(from[i]));
  return value;
}

/// Stores an unsigned integer in big-endian order.
template <std::unsigned_integral T>
void store_be(std::byte* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    to[i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
}

} // namespace weft
