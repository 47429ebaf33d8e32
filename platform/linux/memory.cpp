#include "platform/memory.hpp"

#include "platform/process.hpp"
#include "platform/thread.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace weft {

namespace {

constexpr std::uintptr_t page = 4096;

/// Blocks of this size are of the heap, and no mappings of their own.
constexpr std::size_t block = std::size_t{96} << 10;

/// What is smaller lies in a cache when it was freed, and gives nothing back.
constexpr std::size_t last_block = 2048;

/// Has the kernel back the memory with pages, as far as it is whole ones.
void populate(std::uintptr_t begin, std::uintptr_t end) {
#ifdef MADV_POPULATE_WRITE
  begin = (begin + page - 1) & ~(page - 1);
  end &= ~(page - 1);
  // An older kernel refuses: then each page is had when it is used.
  if (begin < end)
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE);
#endif
}

} // namespace

prepared_heap::prepared_heap(std::size_t bytes) try {
  std::vector<std::unique_ptr<std::byte[]>> blocks;
  blocks.reserve(bytes / block + 1);
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  for (std::size_t had = 0; had < bytes; had += block) {
    auto& made = blocks.emplace_back(new std::byte[block]);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto at = reinterpret_cast<std::uintptr_t>(made.get());
    if (at < end || at - end > page) { // it is not the next one
      populate(begin, end);
      begin = at;
    }
    end = at + block;
  }
  populate(begin, end);
  if (bytes > 0)
    end_.reset(new std::byte[last_block]);
} catch (const std::bad_alloc&) {
  // Whoever needs it then will see.
}

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
