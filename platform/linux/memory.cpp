#include "platform/memory.hpp"

#include "platform/process.hpp"
#include "platform/thread.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <system_error>
#include <thread>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace weft {

bool may_have_memory(std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at != MAP_FAILED && ::munmap(at, bytes) == 0;
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
