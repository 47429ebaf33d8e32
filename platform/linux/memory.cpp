#include "platform/memory.hpp"

#include "platform/process.hpp"
#include "platform/thread.hpp"

#include <sys/mman.h>

#include <array>
#include <cstdint>
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

namespace {

constexpr std::size_t page = 4096;

/// Of the heap: what is larger would be a mapping of its own.
using heap_block = std::array<std::byte, std::size_t{96} << 10>;

std::uintptr_t address_of(const std::byte* at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  return reinterpret_cast<std::uintptr_t>(at);
}

/// Has the kernel back the memory with pages, as far as it is whole ones.
void populate(std::byte* begin, std::size_t size) {
#ifdef MADV_POPULATE_WRITE
  void* at = begin;
  // An older kernel refuses: then each page is had when it is used.
  if (std::align(page, page, at, size) != nullptr)
    ::madvise(at, size / page * page, MADV_POPULATE_WRITE);
#endif
}

} // namespace

prepared_heap::prepared_heap(std::size_t bytes) {
  try {
    std::vector<std::unique_ptr<heap_block>> blocks;
    blocks.reserve(bytes / sizeof(heap_block) + 1);
    std::byte* begin = nullptr;
    std::size_t size = 0; // of blocks that lie side by side
    for (std::size_t had = 0; had < bytes; had += sizeof(heap_block)) {
      blocks.push_back(std::make_unique_for_overwrite<heap_block>());
      auto* at = blocks.back()->data();
      auto offset = address_of(at) - address_of(begin);
      if (offset < size || offset - size > page) {
        populate(begin, size);
        begin = at;
        offset = 0;
      }
      size = offset + sizeof(heap_block);
    }
    populate(begin, size);
    if (bytes > 0)
      end_ = std::make_unique<last_block>();
  } catch (const std::bad_alloc&) {
    // Whoever needs it then will see.
  }
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
