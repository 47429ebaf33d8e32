// The sum of 16-bit words modulo 2^16-1 is the same in either byte order but
// for swapped bytes, and the same for wider words (RFC 1071, section 2).  So
// the bytes are added as native 32-bit words into 64-bit lanes, which cannot
// overflow below 2^32 words.
#include "protocol/packets/checksum.hpp"

#include <bit>

namespace weft {

namespace {

/// Below this, setting up vectors costs more than it saves.
constexpr std::size_t vector_threshold = 64;

template <class T>
T load_native(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

/// `to` is null unless the sum `copies`.
template <class T, bool copies>
std::uint64_t take(std::byte* to, const std::byte* from, std::size_t at) {
  const auto value = load_native<T>(from + at);
  if constexpr (copies)
    std::memcpy(to + at, &value, sizeof(T));
  if constexpr (sizeof(T) == 8)
    return (value & 0xffffffff) + (value >> 32);
  else
    return value;
}

/// Any length, eight bytes at a time.
template <bool copies>
std::uint64_t
sum_words(std::byte* to, const std::byte* from, std::size_t size) {
  std::uint64_t sum = 0;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8)
    sum += take<std::uint64_t, copies>(to, from, i);
  if (i + 4 <= size) {
    sum += take<std::uint32_t, copies>(to, from, i);
    i += 4;
  }
  if (i + 2 <= size) {
    sum += take<std::uint16_t, copies>(to, from, i);
    i += 2;
  }
  if (i < size) {
    const std::array<std::byte, 2> padded{from[i], std::byte{0}};
    sum += load_native<std::uint16_t>(padded.data());
    if constexpr (copies)
      to[i] = from[i];
  }
  return sum;
}

// The two vector functions differ in width alone, but the compiler splits a
// vector before it inlines, so that one template could not serve both targets.
using vector16 = std::uint64_t __attribute__((vector_size(16)));

/// `size` is a multiple of 32.
template <bool copies>
std::uint64_t
sum_blocks(std::byte* to, const std::byte* from, std::size_t size) {
  vector16 even{};
  vector16 odd{};
  for (std::size_t i = 0; i < size; i += 32) {
    const auto first = load_native<vector16>(from + i);
    const auto second = load_native<vector16>(from + i + 16);
    if constexpr (copies) {
      std::memcpy(to + i, &first, 16);
      std::memcpy(to + i + 16, &second, 16);
    }
    even += (first & 0xffffffff) + (first >> 32);
    odd += (second & 0xffffffff) + (second >> 32);
  }
  even += odd;
  return even[0] + even[1];
}

#if defined(__x86_64__)
using vector32 = std::uint64_t __attribute__((vector_size(32)));

/// `size` is a multiple of 64.
template <bool copies>
__attribute__((target("avx2"))) std::uint64_t
sum_wide_blocks(std::byte* to, const std::byte* from, std::size_t size) {
  vector32 even{};
  vector32 odd{};
  for (std::size_t i = 0; i < size; i += 64) {
    vector32 first;
    vector32 second;
    std::memcpy(&first, from + i, 32);
    std::memcpy(&second, from + i + 32, 32);
    if constexpr (copies) {
      std::memcpy(to + i, &first, 32);
      std::memcpy(to + i + 32, &second, 32);
    }
    even += (first & 0xffffffff) + (first >> 32);
    odd += (second & 0xffffffff) + (second >> 32);
  }
  even += odd;
  return even[0] + even[1] + even[2] + even[3];
}

bool has_wide_vectors() {
  static const bool result = __builtin_cpu_supports("avx2") != 0;
  return result;
}
#endif

template <bool copies>
std::uint64_t
sum_bytes(std::byte* to, const_byte_span data, std::uint64_t sum) {
  const auto* from = data.data();
  auto size = data.size();
  std::uint64_t native = 0;
  const auto skip = [&](std::size_t done) {
    from += done;
    to = copies ? to + done : to;
    size -= done;
  };
  if (size >= vector_threshold) {
#if defined(__x86_64__)
    if (has_wide_vectors()) {
      const auto blocks = size / 64 * 64;
      native += sum_wide_blocks<copies>(to, from, blocks);
      skip(blocks);
    }
#endif
    const auto blocks = size / 32 * 32;
    native += sum_blocks<copies>(to, from, blocks);
    skip(blocks);
  }
  native += sum_words<copies>(to, from, size);
  auto folded = checksum_fold(native);
  if constexpr (std::endian::native == std::endian::little)
    folded = static_cast<std::uint16_t>((folded << 8) | (folded >> 8));
  return sum + folded;
}

} // namespace

std::uint64_t checksum_add(const_byte_span data, std::uint64_t sum) {
  return sum_bytes<false>(nullptr, data, sum);
}

std::uint64_t
checksum_copy(std::byte* to, const_byte_span data, std::uint64_t sum) {
  return sum_bytes<true>(to, data, sum);
}

std::uint16_t checksum_fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

} // namespace weft
