// The memory of this process.
#pragma once

namespace weft {

/// Gives memory that was freed back to the system.  Takes milliseconds, and
/// holds up who allocates meanwhile: worth it after much was freed.
void release_memory();

/// The same on a thread of its own; nothing happens where none can be had.
void release_memory_aside();

} // namespace weft
