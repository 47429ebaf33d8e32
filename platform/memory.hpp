// The memory of this process.
#pragma once

#include <cstddef>

namespace weft {

/// Whether this process may have so many bytes more now: limits on it
/// (RLIMIT_AS, RLIMIT_MEMLOCK) and the system's strict accounting are asked, no
/// page is used.
bool may_have_memory(std::size_t bytes);

/// Gives memory that was freed back to the system.  Takes milliseconds, and
/// holds up who allocates meanwhile: worth it after much was freed.
void release_memory();

/// The same on a thread of its own; nothing happens where none can be had.
void release_memory_aside();

} // namespace weft
