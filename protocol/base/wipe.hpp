// Overwrites what must not stay in memory.
#pragma once

#include <cstddef>

namespace weft {

/// Sets `size` bytes to zero, also where nothing reads them any more.
void wipe_memory(void* bytes, std::size_t size) noexcept;

} // namespace weft
