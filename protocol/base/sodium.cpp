#include "protocol/base/sodium.hpp"

#include <stdexcept>

namespace weft {

void sodium::ensure_ready() {
  static const bool ready = sodium_init() >= 0;
  if (!ready)
    throw std::runtime_error("libsodium cannot be initialised");
}

} // namespace weft
