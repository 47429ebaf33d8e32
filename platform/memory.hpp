// The memory of this process.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

namespace weft {

/// Whether this process may have so many bytes more now: limits on it
/// (RLIMIT_AS, RLIMIT_MEMLOCK) and the system's strict accounting are asked, no
/// page is used.
bool may_have_memory(std::size_t bytes);

/// Memory that the calling thread is about to allocate, in pieces: it is had
/// from the system at once, which costs a fraction of what it costs a page at a
/// time.  Whatever was not allocated by the end of this is given back.
class prepared_heap {
public:
  /// None.
  prepared_heap() = default;
  /// Less, if there is not so much.
  explicit prepared_heap(std::size_t bytes);

private:
  /// What is smaller lies in a cache when it was freed, and gives nothing back.
  using last_block = std::array<std::byte, 2048>;

  std::unique_ptr<last_block> end_; ///< keeps what lies before it
};

/// Gives memory that was freed back to the system.  Takes milliseconds, and
/// holds up who allocates meanwhile: worth it after much was freed.
void release_memory();

/// The same on a thread of its own; nothing happens where none can be had.
void release_memory_aside();

} // namespace weft
