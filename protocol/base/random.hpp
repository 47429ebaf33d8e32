// Randomness as an argument: nothing in protocol/ draws random bytes itself but
// the key of keyed_hash.hpp.  platform/random.hpp has the system's.
#pragma once

#include "protocol/base/bytes.hpp"

namespace weft {

class random_source {
public:
  virtual ~random_source() = default;
  random_source() = default;
  random_source(const random_source&) = delete;
  random_source& operator=(const random_source&) = delete;

  /// Fills `out` with random bytes fit for keys.
  virtual void fill(byte_span out) = 0;

  /// A random 32-bit number.
  std::uint32_t next_u32() {
    byte_array<4> bytes{};
    fill(bytes);
    return load_le<std::uint32_t>(bytes.data());
  }
};

} // namespace weft
