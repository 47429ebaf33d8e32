// The capabilities of the calling thread.  Private to platform/.
#pragma once

#include <cstdint>

namespace weft {

/// As a bit of a set: `CAP_NET_ADMIN`, ...
constexpr std::uint64_t capability_bit(unsigned capability) {
  return std::uint64_t{1} << capability;
}

struct capability_sets {
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;

  bool operator==(const capability_sets&) const = default;
};

capability_sets read_capabilities();
/// None is inheritable.
bool write_capabilities(capability_sets sets);

} // namespace weft
