#include "platform/memory.hpp"

#include "platform/process.hpp"
#include "platform/thread.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace weft {

bool may_have_memory(std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at != MAP_FAILED && ::munmap(at, bytes) == 0;
}

void expect_allocations(std::size_t bytes) {
  // Of what the C library takes from a thread's heap; what it has once taken
  // for that stays usable when it is free again.
  constexpr std::size_t piece = std::size_t{120} << 10;
  constexpr std::size_t most = std::size_t{56} << 20; // of one heap
  std::vector<std::unique_ptr<std::byte[]>> pieces;
  for (std::size_t left = std::min(bytes, most); left >= piece; left -= piece)
    pieces.emplace_back(new (std::nothrow) std::byte[piece]);
}

void release_memory() {
#ifdef __GLIBC__
  while_memory_is_unlocked([] { ::malloc_trim(0); });
#endif
}

void release_memory_aside() {
  try {
    std::thread([] {
      enter_service_thread("weft-memory");
      release_memory();
    }).detach();
  } catch (const std::system_error&) {
    // Then the memory stays until the next time.
  }
}

} // namespace weft
