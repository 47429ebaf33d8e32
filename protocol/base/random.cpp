#include "protocol/base/random.hpp"

#include "protocol/base/sodium.hpp"

#include <stdexcept>

namespace weft {

void sodium::ensure_ready() {
  static const bool ready = sodium_init() >= 0;
  if (!ready)
    throw std::runtime_error("libsodium cannot be initialised");
}

void system_random::fill(byte_span out) {
  sodium::ensure_ready();
  if (!out.empty())
    randombytes_buf(out.data(), out.size());
}

} // namespace weft
