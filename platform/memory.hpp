// The memory of this process.
#pragma once

#include "platform/error.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace weft {

/// Whether this process may have so many bytes more now: limits on it
/// (RLIMIT_AS, RLIMIT_MEMLOCK) and the system's strict accounting are asked, no
/// page is used.
bool may_have_memory(std::size_t bytes);

/// Whether a limit on the address space of this process, if it has one, leaves
/// it so many bytes more than it has now; ENOMEM.
result<void> check_address_space(std::size_t bytes);

/// Memory that the thread which makes this is about to allocate, in pieces: it
/// is had from the system before that, by whoever has the time, and at once,
/// which costs a fraction of what it costs a page at a time.  Whatever was not
/// allocated by the end of this can be given back: release_memory().
class prepared_heap {
public:
  /// Sets `bytes` aside, or less if there is not so much; takes microseconds
  /// for each block of them.
  explicit prepared_heap(std::size_t bytes);
  prepared_heap(const prepared_heap&) = delete;
  prepared_heap& operator=(const prepared_heap&) = delete;
  ~prepared_heap() = default;

  /// Has the system back all of it with memory; from then on it can be
  /// allocated.  On any thread, and on several at once, which share the work:
  /// returns once all of it is done.
  void back_with_memory();

private:
  /// Of the heap: what is larger would be a mapping of its own.
  using block = std::array<std::byte, std::size_t{96} << 10>;

  std::vector<std::unique_ptr<block>> blocks_;
  std::unique_ptr<block> end_;        ///< keeps what lies before it
  std::atomic<std::size_t> next_ = 0; ///< block that nobody has begun with
  std::atomic<std::size_t> done_ = 0; ///< blocks
  std::atomic<bool> free_ = false;    ///< the blocks are the heap's again
};

/// Gives memory that was freed back to the system.  Takes milliseconds, and
/// holds up who allocates meanwhile: worth it after much was freed.
void release_memory();

/// The same on a thread of its own; nothing happens where none can be had.
void release_memory_aside();

} // namespace weft
