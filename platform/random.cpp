#include "platform/random.hpp"

#include "protocol/base/sodium.hpp"

namespace weft {

void system_random::fill(byte_span out) {
  sodium::ensure_ready();
  if (!out.empty())
    randombytes_buf(out.data(), out.size());
}

} // namespace weft
