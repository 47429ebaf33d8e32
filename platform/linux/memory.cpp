#include "platform/memory.hpp"

#include "platform/process.hpp"
#include "platform/thread.hpp"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <thread>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace weft {

namespace {

constexpr std::size_t page = 4096;

/// Has the system back the memory, whose content does not matter, with pages.
void back_with_pages(std::span<std::byte> bytes) {
#ifdef MADV_POPULATE_WRITE
  void* at = bytes.data();
  auto size = bytes.size();
  // All at once.  An older kernel refuses.
  if (std::align(page, page, at, size) != nullptr)
    ::madvise(at, size / page * page, MADV_POPULATE_WRITE);
#endif
  // A hypervisor may have work with the first use of each page, too.
  volatile std::byte* const first = bytes.data();
  for (std::size_t i = 0; i < bytes.size(); i += page)
    first[i] = std::byte{};
  first[bytes.size() - 1] = std::byte{};
}

} // namespace

prepared_heap::prepared_heap(std::size_t bytes) {
  try {
    blocks_.reserve(bytes / sizeof(block) + 1);
    for (std::size_t had = 0; had < bytes; had += sizeof(block))
      blocks_.push_back(std::make_unique_for_overwrite<block>());
    // What was free before was used first, so that this one lies at the top,
    // and glibc gives nothing below it back before it is used.
    if (bytes > 0)
      end_ = std::make_unique_for_overwrite<block>();
  } catch (const std::bad_alloc&) {
    // Whoever needs it then will see.
  }
}

void prepared_heap::back_with_memory() {
  const auto count = blocks_.size();
  for (auto i = next_++; i < count; i = next_++) {
    back_with_pages(*blocks_[i]);
    if (++done_ < count)
      continue;
    for (auto& each : blocks_)
      each.reset();
    free_ = true;
    free_.notify_all();
  }
  if (count > 0)
    free_.wait(false);
}

bool may_have_memory(std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at != MAP_FAILED && ::munmap(at, bytes) == 0;
}

result<void> check_address_space(std::size_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return {};
  std::size_t pages = 0; // where nobody can tell, the limit alone counts
  std::ifstream{"/proc/self/statm"} >> pages;
  const std::size_t present = pages * page;
  if (limit.rlim_cur >= present && limit.rlim_cur - present >= bytes)
    return {};
  return tl::unexpected(make_system_error(
    ENOMEM,
    "Cannot have " + std::to_string(bytes >> 20) + " MiB of address space more",
    "A limit is in the way (ulimit -v, LimitAS= of the unit)"));
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
