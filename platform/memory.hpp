// The memory of this process.
#pragma once

namespace weft {

/// Gives memory that was freed back to the system.  Takes milliseconds, and
/// holds up who allocates meanwhile: worth it after much was freed.
void release_memory();

} // namespace weft
