#include "protocol/base/wipe.hpp"

#include <sodium.h>

namespace weft {

void wipe_memory(void* bytes, std::size_t size) noexcept {
  sodium_memzero(bytes, size);
}

} // namespace weft
